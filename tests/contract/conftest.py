"""
The contract as a program: each test checks one clause on the target.

Without `--target`, as in `make test`, the targets are ours: `models/abalone` served on this machine, and in the image.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
import requests

from contract import samples, targets
from contract.clauses import ALL, OTHER_PROFILE, PROFILES, QUICK, Clause, clause_of
from contract.limits import Limits
from contract.report import Report
from contract.results import Result
from contract.running import NotHealthy, Shared, wait_until_healthy
from contract.samples import Sample, SampleError
from contract.targets import ImageTarget, ProgramTarget, Target, TargetError
from server import MODELS, Server

OWN_TARGETS = [pytest.param("host", marks=pytest.mark.nginx), pytest.param("image", marks=pytest.mark.engine)]
OWN_MODEL = MODELS / "abalone"
REPORT = "contract-report"
FURTHER_SAMPLES = ("slow", "stream", "broken-stream", "session")

Start = Callable[..., Server]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contract")
    group.addoption("--target", help="an image, a URL, a model folder, or a program that serves")
    group.addoption("--model", help="the model folder for an image or a program that brings none")
    group.addoption("--sample", type=Path, help="a request that the model answers with 200")
    group.addoption("--content-type", help="the media type of --sample")
    profiles = [*PROFILES, QUICK, ALL]
    group.addoption("--docker-option", action="append", default=[], help="an option of `docker run` for each container")
    group.addoption("--profile", default=ALL, choices=profiles, help="the way of deploying to check for")
    group.addoption("--clause", action="append", default=[], help="check this clause only")
    group.addoption("--json", type=Path, help="write the results here")
    group.addoption("--junit", type=Path, help="write them here as JUnit's XML")
    group.addoption(
        "--limit", action="append", default=[], metavar="NAME=NUMBER", help="another limit than SageMaker's"
    )
    for name in FURTHER_SAMPLES:
        group.addoption(f"--{name}-sample", type=Path, help=f"a JSON request for the checks of clause: {name}")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("target", None):
        config.pluginmanager.register(Report(config), REPORT)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" in metafunc.fixturenames:
        named = metafunc.config.getoption("target", None)
        given = [pytest.param("named", id="target")] if named else OWN_TARGETS
        metafunc.parametrize("target", given, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the clauses that are asked for, in their order."""
    checks = [item for item in items if clause_of(item)]
    others = [item for item in items if not clause_of(item)]
    wanted = [item for item in checks if is_wanted(clause_of(item), config)]
    config.hook.pytest_deselected(items=[item for item in checks if item not in wanted])
    items[:] = [*others, *sorted(wanted, key=lambda item: (item.callspec.id, clause_of(item).order))]


def is_wanted(about: Clause, config: pytest.Config) -> bool:
    """Tell whether a clause is of the profile and, where the user names some, among those."""
    named = config.getoption("clause", [])
    return about.level(profile_of(config)) != OTHER_PROFILE and (not named or about.number in named)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Attach to each test's report what the table and the JSON say of its clause."""
    report = yield
    about = clause_of(item)
    if about and item.config.pluginmanager.has_plugin(REPORT) and is_about_the_target(call):
        report.contract = Result.of(item, about.level(profile_of(item.config)), report, call)
    return report


def is_about_the_target(call: pytest.CallInfo[None]) -> bool:
    """Tell what was found out about the target, be it by a broken connection, from a fault of the suite's own."""
    error = call.excinfo.value if call.excinfo else None
    if call.when != "call":
        return isinstance(error, pytest.skip.Exception)
    return error is None or isinstance(error, AssertionError | OSError | HTTPException | pytest.skip.Exception)


def profile_of(config: pytest.Config) -> str:
    """Return the way of deploying that is checked for."""
    return config.getoption("profile", ALL)


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    """What is checked."""
    if request.param == "host":
        return ProgramTarget(str(OWN_MODEL), OWN_MODEL)
    if request.param == "image":
        return ImageTarget(request.getfixturevalue("image"), OWN_MODEL)
    option = request.config.getoption
    try:
        found = targets.find_target(option("target"), option("model"), sample_is_given=option("sample") is not None)
        return targets.with_docker_options(found, option("docker_option"))
    except TargetError as error:
        pytest.exit(str(error), returncode=2)


@pytest.fixture(scope="session")
def sample(target: Target, pytestconfig: pytest.Config) -> Sample:
    """A request that the model answers with 200."""
    named = pytestconfig.getoption("sample", None)
    try:
        if named:
            return samples.read_sample(named, pytestconfig.getoption("content_type"))
        return samples.first_sample(target.samples())
    except SampleError as error:
        pytest.exit(str(error), returncode=2)


@pytest.fixture
def further_sample(pytestconfig: pytest.Config) -> Callable[[str], Sample]:
    """Return a request of a special kind, which no model needs to have; without one, the clause is not applicable."""

    def further_sample(kind: str) -> Sample:
        named = pytestconfig.getoption(f"{kind}_sample".replace("-", "_"), None)
        if named is None:
            targets.not_applicable(f"shown with a request that does it: --{kind}-sample FILE")
        try:
            return samples.read_sample(named)
        except SampleError as error:
            pytest.exit(str(error), returncode=2)

    return further_sample


@pytest.fixture(scope="session")
def limits(pytestconfig: pytest.Config) -> Limits:
    """SageMaker's numbers."""
    try:
        return Limits().with_overrides(pytestconfig.getoption("limit", []))
    except ValueError as error:
        pytest.exit(str(error), returncode=2)


@pytest.fixture(scope="session")
def shared(target: Target, sample: Sample, limits: Limits) -> Iterator[Shared]:
    """The one server that is asked by every check that does it no harm."""
    with closing(Shared(target, sample, limits)) as shared:
        yield shared


@pytest.fixture
def server(shared: Shared) -> Server:
    """The shared server, healthy."""
    try:
        return shared.server()
    except NotHealthy:
        pytest.skip("blocked: the target does not become healthy, see 1.01")


@pytest.fixture
def answer(server: Server, shared: Shared) -> requests.Response:
    """What the shared server answers to the sample."""
    answer = shared.answer()
    if answer.status_code != 200:
        pytest.skip("blocked: the sample is not answered, see 1.30")
    return answer


@pytest.fixture
def launch(server: Server, target: Target) -> Iterator[Start]:
    """Start servers of the check's own, closed after it; do not wait for them. (Blocked where none can start.)"""
    with ExitStack() as stack:

        def launch(*options: str, model: Path | None = target.model, **environ: str) -> Server:
            return stack.enter_context(closing(target.launch(*options, model=model, **environ)))

        yield launch


@pytest.fixture
def start(launch: Start, limits: Limits) -> Start:
    """Start servers of the check's own, and wait until they are healthy."""

    def start(*options: str, **conditions: Any) -> Server:
        server = launch(*options, **conditions)
        wait_until_healthy(server, limits.startup_seconds)
        return server

    return start


@pytest.fixture
def saw(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note what was seen, for the table: kept or not, the reader wants to know."""
    return lambda text: request.node.user_properties.append(("saw", text))
