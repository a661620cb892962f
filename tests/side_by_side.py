"""Which tests stay together when several processes run them: those that share a server, or a name on this machine."""

from typing import Any

import pytest

# Only one process at a time can play ECR under its host name; these wait for each other in one of them.
ON_THE_REGISTRY = ("tests/aws/", "tests/marketplace/", "tests/scripts/test_readme.py")
TOGETHER = {"tests/contract/": "contract"}  # one server for all of its checks
WHERE = ("[host", "[image")  # a module's servers are other ones in either


def share_of(nodeid: str) -> str:
    """Return what the test is run together with: its module, or the half of it that runs in the same place."""
    module, _, test = nodeid.partition("::")
    if module.startswith(ON_THE_REGISTRY):
        return "registry"
    for folder, name in TOGETHER.items():
        if module.startswith(folder):
            return name
    if module.startswith("tests/process/"):
        return module + next((where for where in WHERE if where in test), "")
    return module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out shares, the largest first."""
    from xdist.scheduler import LoadScopeScheduling  # which nobody needs who runs a single test

    class ShareScheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no type information
        """pytest-xdist's way by modules, with other borders."""

        def _split_scope(self, nodeid: str) -> str:
            return share_of(nodeid)

    return ShareScheduling(config, log)
