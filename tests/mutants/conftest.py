"""Runs of the suite on broken servers: several at a time, for most of each is waiting."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from mutants.checking import Run, check_contract, program
from mutants.registry import Entry
from mutants.remaking import REMAKE
from server import docker

AT_A_TIME = 7
MUTANTS = Path(__file__).parent
MODEL = MUTANTS / "model"


def built_image(entry: Entry, base: str, folder: Path) -> str:
    """Build an image that runs the mutant."""
    tag = f"contract-mutant:{entry.name.lower()}"
    lines = [
        (MUTANTS / "Dockerfile").read_text(),
        f'ENTRYPOINT ["python", "/mutants/run.py", "{entry.name}"]',
        *(entry.image or ()),
    ]
    dockerfile = folder / "Dockerfile"
    dockerfile.write_text("\n".join(lines) + "\n")
    docker("build", "--file", str(dockerfile), "--build-arg", f"BASE_IMAGE={base}", "--tag", tag, str(MUTANTS))
    return tag


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Run]]:
    """Return the run on a mutant; all that are asked for in this session begin at once."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        begun: dict[tuple[str, bool], Future[Run]] = {}

        def begin(entry: Entry, in_image: bool) -> "Future[Run]":
            key = (entry.name, in_image)
            if key not in begun:
                base = request.getfixturevalue("image") if in_image else ""
                folder = tmp_path_factory.mktemp(entry.name)
                begun[key] = pool.submit(run, entry, base, folder)
            return begun[key]

        for item in request.session.items:
            parameters = getattr(getattr(item, "callspec", None), "params", {})
            if "mutant" in parameters and not item.get_closest_marker("skip"):
                begin(*parameters["mutant"])
        yield lambda entry, in_image: begin(entry, in_image).result()


def run(entry: Entry, base: str, folder: Path) -> Run:
    """Run the suite on a mutant, in an image if there is a *base* for one."""
    options = (f"--model={MODEL}", *entry.options)
    if not base:
        return check_contract(program(entry.name, folder), *options, folder=folder)
    built = built_image(entry, base, folder)
    try:
        with REMAKE[entry.remade](built) as target:
            return check_contract(target, *options, folder=folder)
    finally:
        docker("rmi", "--force", built, check=False)
