"""
Compile a model folder's scikit-learn model to ONNX, and prove that it answers like the original.

usage: python -m compiling FOLDER [--to FOLDER] [--rows NUMBER] [--tolerance NUMBER]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compiling.comparison import Row, answer_or_none, dense, largest_difference, refusals_of, worst_row
from compiling.conversion import convert
from compiling.folder import Original, entry_for, read_original, write_compiled
from compiling.known import known_values, sample_rows, with_unseen
from compiling.rows import EDGES_SHARE, Perturbed
from serving.compiled import MODEL_FILE, CompiledModel
from serving.errors import StartError
from serving.packed import described
from serving.samples import TOLERANCE


def main(arguments: Sequence[str]) -> int:
    """Compile, compare and write; return the exit status."""
    options = parse(arguments)
    try:
        compile_folder(options.folder.absolute(), (options.to or options.folder).absolute(), options)
    except StartError as error:
        say(f"not compiled: {error}")
        return 1
    print(options.to or options.folder)  # noqa: T201 - the result
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m compiling",
        description="Compile a model folder's scikit-learn model to ONNX, and prove that it answers like the original.",
    )
    parser.add_argument("folder", type=Path, help="the model folder")
    parser.add_argument("--to", type=Path, help="write a copy of the folder, with the compiled model in it, there")
    parser.add_argument("--rows", type=int, default=1000, help="how many rows to compare on (default: 1000)")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        help=f"the largest relative difference that is let through (default and most: {TOLERANCE:g})",
    )
    options = parser.parse_args(arguments)
    if options.rows < 1:
        parser.error("--rows is 1 or more")
    if not 0 <= options.tolerance <= TOLERANCE:
        parser.error(f"--tolerance is between 0 and {TOLERANCE:g}, which is what the samples allow at each start")
    if options.to and options.to.exists() and (options.to.is_file() or any(options.to.iterdir())):
        parser.error(f"{options.to} is not empty")
    return options


def compile_folder(folder: Path, to: Path, options: argparse.Namespace) -> None:
    """Compile the model in *folder*, and write it to *to* if it answers like the original."""
    original = read_original(folder)
    say(f"- {original.path.name}: {type(original.model).__name__} of scikit-learn")
    content = convert(original.model, original.schema).SerializeToString()
    say(f"- {MODEL_FILE}: {len(content):,} bytes; comparing on {options.rows} rows")
    entry = entry_for(original, content, found_in(original, content, options))
    samples = write_compiled(folder, to, content, entry)
    say(f"- the largest difference is {entry['difference']:.2g}, on {entry['rows']} rows; {samples} samples agree too")


def found_in(original: Original, content: bytes, options: argparse.Namespace) -> dict[str, Any]:
    """Return what the comparison found, for the manifest; raise `StartError` when the two differ."""
    rows = sample_rows(original.path.parent, original.schema)
    values = known_values(original.model, original.schema, rows)
    first = [known[0] for known in values]
    begin = next((row for row in [*rows, first] if answer_or_none(original.predict, [row]) is not None), None)
    if begin is None:
        raise StartError(
            f"The original refuses every row that is known here, such as {first!r:.200}. Give it a sample."
        )
    refusals = refusals_of(original.predict, original.schema, begin)
    answer = dense(original.predict([begin]))
    found = {
        "input": described(original.schema),
        "output": {"dtype": answer.dtype.str, "shape": list(answer.shape[1:])},
        "refused": {"limits": refusals.limits, "needed": refusals.needed},
    }
    compiled = CompiledModel(content, found)
    perturbed = Perturbed(original.schema, with_unseen(values, refusals.may_be_unseen), refusals)
    edges = perturbed.edges(int(options.rows * EDGES_SHARE), original.predict)
    compared = [*rows, *edges, *perturbed.rows(max(1, options.rows - len(rows) - len(edges)))]
    difference = compare(original, compiled, [*compared, *refusals.rows], options.tolerance)
    return {**found, "rows": len(compared), "tolerance": options.tolerance, "difference": difference}


def compare(original: Original, compiled: CompiledModel, rows: list[Row], tolerance: float) -> float:
    """Return the largest difference; raise `StartError` when it is beyond the tolerance."""

    def predict(some: list[Row]) -> Any:
        return compiled.predict(compiled.schema.assemble(some))

    difference = largest_difference(original.predict, predict, rows)
    if difference > tolerance:
        raise StartError(
            f"The compiled form differs from the original by {difference:.2g}, and {tolerance:g} is tolerated: "
            f"{worst_row(original.predict, predict, rows)}."
        )
    return difference


def say(text: str) -> None:
    """Write to stderr: stdout is for the result."""
    print(text, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
