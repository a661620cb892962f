"""
Ports: 8080, or the one that the platform names.

The clauses share a start, and each judges a thing of its own. 1.12 is the behaviour; 1.13 is the label where there is
the behaviour, so that a label which promises too much is 1.12's fault; 1.14 is any port beside the server's own.
"""

from contextlib import closing
from functools import partial

import pytest

from contract.clauses import PIPELINE, PROFILES, clause
from contract.inside import first_process, listens_on
from contract.running import NotHealthy
from contract.surroundings import BIND_PORT, DEFAULT_PORT, SAFE_PORTS, start_at
from contract.targets import image_of, not_applicable

EVERY_INTERFACE = {"0.0.0.0", "::"}


@pytest.fixture(scope="module")
def placement(target, shared, limits):
    """The target, started as one of a pipeline; or the `NotHealthy` that came of it."""
    try:
        shared.server()
    except NotHealthy:
        pytest.skip("blocked: the target does not become healthy, see 1.01")
    servers = []

    def launch(*options, **environ):
        servers.append(target.launch(*options, model=target.model, **environ))
        return servers[-1]

    try:
        yield outcome(partial(start_at, BIND_PORT, target, launch, limits.startup_seconds))
    finally:
        for server in servers:
            with closing(server):
                pass


def outcome(start):
    """Return what a start comes to, its failure too: that is one clause's finding, not every one's."""
    try:
        return start()
    except NotHealthy as reason:
        return reason


@clause(
    "1.11",
    "listen on all interfaces",
    "Bind to 0.0.0.0, not to 127.0.0.1: the platform's requests come from outside the container.",
    required=PROFILES,
    quick=True,
)
def test_every_interface_is_listened_on(server, saw):
    """Reads from the kernel which addresses the server listens on."""
    first_process(server)
    saw(f"it listens on {listens_on(server)}")
    assert EVERY_INTERFACE & {address for address, _ in server.listeners()}


@clause(
    "1.12",
    "listen on SAGEMAKER_BIND_TO_PORT instead of 8080, where it is set",
    "Read the port from the variable at start, and write it into nginx's configuration (`listen ${PORT};`, by "
    "envsubst or your `serve`) or the server's --bind; 8080 is the default.",
    required=(PIPELINE,),
    quick=True,
)
def test_the_platforms_port_is_taken(placement, saw):
    """Starts it with SAGEMAKER_BIND_TO_PORT=9090 and asks /ping there, and on 8080."""
    saw(str(placement))
    assert not isinstance(placement, NotHealthy)
    assert placement.taken
    assert not placement.elsewhere


@clause(
    "1.13",
    "say with a label that the port can be chosen",
    "Add to the Dockerfile: LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true",
    required=(PIPELINE,),
    quick=True,
)
def test_the_label_says_that_the_port_is_taken(target, placement, saw):
    """Reads the label accept-bind-to-port, where the port is taken."""
    has_label = image_of(target).claims("accept-bind-to-port")
    is_taken = getattr(placement, "taken", False)
    but = "" if is_taken else ", but the port is not taken: see 1.12"
    saw("the label is set" + but if has_label else "the label is not set")
    if not (has_label or is_taken):
        not_applicable("the port cannot be chosen, see 1.12; so no label is right")
    assert has_label


@clause(
    "1.14",
    "take further ports from SAGEMAKER_SAFE_PORT_RANGE only",
    "Have the processes in the container meet on Unix sockets (gunicorn --bind unix:/tmp/gunicorn.sock), or take a "
    "port of the range: in a pipeline, several containers share one address.",
    required=(PIPELINE,),
)
def test_further_ports_are_of_the_safe_range(placement, saw):
    """Starts it with SAGEMAKER_SAFE_PORT_RANGE=21000-21999 and reads from the kernel which ports it listens on."""
    if isinstance(placement, NotHealthy):
        not_applicable("blocked: it does not start as one of a pipeline, see 1.12")
    first_process(placement.server)
    saw(f"it listens on {listens_on(placement.server)}")
    further = {port for _, port in placement.server.listeners()} - {int(placement.port), int(DEFAULT_PORT)}
    assert further <= set(SAFE_PORTS)
