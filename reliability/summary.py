"""One table of a folder of results: every promise, and what was found."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.errors import Refused, say
from reliability.accounts import line
from reliability.program import BROKEN, UNABLE


def read(folder: Path) -> list[dict[str, Any]]:
    """Return what each program wrote; raise `Refused` where there is nothing."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise Refused(f"no results: looked for {folder}/*.json.", "Try the promises first: make reliability.")
    return [json.loads(path.read_text()) | {"file": path.stem} for path in paths]


def page(documents: Sequence[Mapping[str, Any]]) -> str:
    """Return the page in Markdown."""
    machine = documents[0]["machine"]
    where = f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_gb']} GB, {machine['system']}"
    heading = f"# Tried on {machine['when'][:10]}\n\n{where}; commit {machine['commit']}."
    lines = [line("run", ("promise", "goal", "found", "")), "|---|---|---|---:|---|"]
    for document in documents:
        name = f"[{document['file']}]({document['file']}.md)"
        lines += [
            line(name, [one[key] for key in ("about", "goal", "found", "verdict")]) for one in document["promises"]
        ]
    return "\n\n".join([heading, "\n".join(lines)]) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Print the page of the folder that is named."""
    if len(arguments) != 1:
        say("usage: python -m reliability.summary FOLDER")
        return UNABLE
    try:
        documents = read(Path(arguments[0]))
    except Refused as error:
        say(str(error))
        return UNABLE
    sys.stdout.write(page(documents))
    return BROKEN if any(one["kept"] is False for document in documents for one in document["promises"]) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
