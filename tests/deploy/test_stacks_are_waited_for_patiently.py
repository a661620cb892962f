"""A question is asked again while AWS has no time or is out of reach; anything else is told at once."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from deploy.progress import Clock
from deploy.stack.patience import PAUSE, TRIES, patiently

AWAY = EndpointConnectionError(endpoint_url="https://cloudformation.eu-west-1.amazonaws.com")
THROTTLED = ClientError({"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}, "DescribeStacks")
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeStacks")


class Aws:
    """Fails in the ways that it is given, then answers."""

    def __init__(self, *failures: Exception):
        self.failures = list(failures)
        self.slept: list[float] = []
        self.clock = Clock(sleep=self.slept.append)

    def __call__(self) -> str:
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


def test_what_passes_is_waited_for():
    aws = Aws(AWAY, THROTTLED, AWAY)

    assert patiently(aws, aws.clock) == "answer"
    assert aws.slept == [PAUSE] * 3


def test_what_does_not_pass_is_told_at_once():
    aws = Aws(DENIED)

    with pytest.raises(ClientError, match="AccessDenied"):
        patiently(aws, aws.clock)
    assert aws.slept == []


@pytest.mark.parametrize("failure", [AWAY, THROTTLED])
def test_patience_has_an_end(failure):
    aws = Aws(*[failure] * TRIES)

    with pytest.raises(type(failure)):
        patiently(aws, aws.clock)
    assert len(aws.slept) == TRIES - 1
