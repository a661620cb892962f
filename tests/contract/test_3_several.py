"""Labels that claim more than one model, or more than requests and answers; and containers side by side."""

import http.client
from urllib.parse import urlsplit

import requests

from contract.clauses import PIPELINE, REAL_TIME, clause
from contract.running import wait_until_healthy
from contract.surroundings import BIND_PORT, settled_status, start_at
from contract.targets import image_of, not_applicable
from ports import free_port

WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
SECOND_PORT = "9091"


@clause(
    "2.20",
    "claim bidirectional streaming only where a WebSocket is served",
    "Remove the label com.amazonaws.sagemaker.capabilities.bidirectional-streaming, or serve WebSockets at "
    "/invocations-bidirectional-stream.",
    recommended=(REAL_TIME,),
    quick=True,
)
def test_bidirectional_streaming_is_claimed_only_if_it_is_there(server, target, saw):
    """Reads the label; where it is set, asks for a WebSocket."""
    if not image_of(target).claims("bidirectional-streaming"):
        saw("not claimed")
        return
    status = upgrade_status(server)
    saw(f"claimed; a WebSocket is answered {status}")
    assert status == http.client.SWITCHING_PROTOCOLS


def upgrade_status(server):
    """Return the status of the answer to a WebSocket's beginning."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    connection.request("GET", "/invocations-bidirectional-stream", headers=WEBSOCKET)
    status = connection.getresponse().status
    connection.close()
    return status


@clause(
    "3.01",
    "claim several models only where they are served",
    "Remove the label com.amazonaws.sagemaker.capabilities.multi-models, or serve /models: AWS's multi-model-server "
    "does.",
    recommended=(REAL_TIME,),
    quick=True,
)
def test_several_models_are_claimed_only_if_they_are_served(start, target, saw):
    """Reads the label; where it is set, starts it with SAGEMAKER_MULTI_MODEL=true and asks for /models."""
    if not image_of(target).claims("multi-models"):
        saw("not claimed")
        return
    server = start(model=None, SAGEMAKER_MULTI_MODEL="true")
    status = requests.get(f"{server.url}/models", timeout=10).status_code
    saw(f"claimed; GET /models is answered {status}")
    assert status == 200


@clause(
    "3.30",
    "work beside another container at the same address, as in a pipeline",
    "Take no fixed port beside SAGEMAKER_BIND_TO_PORT, and name Unix sockets by a path in /tmp.",
    required=(PIPELINE,),
)
def test_two_containers_can_share_an_address(target, launch, answer, sample, limits, saw):
    """Starts two of them in one network namespace, with different SAGEMAKER_BIND_TO_PORT, and sends both the sample."""
    image_of(target)
    published = free_port()
    publish = ("--publish", f"127.0.0.1:{published}:{SECOND_PORT}")
    first = start_at(BIND_PORT, target, launch, limits.startup_seconds, *publish)
    if not first.taken:
        not_applicable("the port cannot be chosen, see 1.12")
    second = launch("--network", f"container:{first.server.name}", SAGEMAKER_BIND_TO_PORT=SECOND_PORT)
    second.port = published  # whoever shares an address publishes nothing
    wait_until_healthy(second, limits.startup_seconds)
    statuses = [settled_status(server, sample) for server in (first.server, second)]
    saw(f"both are healthy; the sample is answered {statuses}")
    assert statuses == [200, 200]
