"""What `GET /execution-parameters` tells a batch transform job: how many requests at once, and how large ones."""

import json
from collections.abc import Mapping
from typing import Any

from serving.errors import StartError
from serving.plan import Plan
from serving.settings import MEGABYTE

MAX_IN_FLIGHT = 100  # MB: SageMaker's limit on the requests at once times the size of each
# What SageMaker takes where the answer says nothing.
DEFAULTS = {"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 6}
# The documented spelling, and the one that the SDK's local mode reads.
STRATEGIES = ("MULTI_RECORD", "SINGLE_RECORD", "MultiRecord", "SingleRecord")


def planned_parameters(plan: Plan, max_body_bytes: int | None) -> dict[str, int]:
    """
    Return a request for each worker, and the largest of them that the limits allow.

    `BatchStrategy` is left out: the SDK's local mode hands it on as it is, and stops at the documented spelling.
    """
    concurrent = min(plan.workers, MAX_IN_FLIGHT)
    largest = MAX_IN_FLIGHT // concurrent
    if max_body_bytes is not None:
        largest = min(largest, max_body_bytes // MEGABYTE)
    return {"MaxConcurrentTransforms": concurrent, "MaxPayloadInMB": largest}


def read_parameters(answer: Any, path: object) -> dict[str, Any]:
    """Return what the user's `execution_parameters_fn` answered; raise `StartError` unless a job could go by it."""
    parameters = parsed(answer, path)
    if unknown := sorted(set(map(str, parameters)) - {*DEFAULTS, "BatchStrategy"}):
        known = ", ".join([*DEFAULTS, "BatchStrategy"])
        raise refusal(path, f"knows no {', '.join(unknown)}", f"Answer with any of {known}.")
    for name, least in (("MaxConcurrentTransforms", 1), ("MaxPayloadInMB", 0)):
        value = parameters.get(name, least)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise refusal(path, f"takes no {name} of {value!r:.40}", f"Answer with a whole number, at least {least}.")
    strategy = parameters.get("BatchStrategy", STRATEGIES[0])
    if strategy not in STRATEGIES:
        raise refusal(path, f"takes no BatchStrategy of {strategy!r:.40}", f"Answer with {' or '.join(STRATEGIES)}.")
    concurrent, largest = ({**DEFAULTS, **parameters}[name] for name in DEFAULTS)
    if concurrent * largest > MAX_IN_FLIGHT:
        raise refusal(
            path,
            f"takes no {concurrent} requests of {largest} MB at once",
            f"MaxConcurrentTransforms (else 1) times MaxPayloadInMB (else 6) may be at most {MAX_IN_FLIGHT}.",
        )
    return parameters


def parsed(answer: Any, path: object) -> dict[str, Any]:
    """Return a dict from a dict, from JSON text, or from a Flask-like response, as AWS's containers take it."""
    content = answer.get_data() if hasattr(answer, "get_data") else answer
    if isinstance(content, str | bytes | bytearray):
        try:
            content = json.loads(content)
        except ValueError as error:
            raise StartError(f"{path}: execution_parameters_fn returned no JSON: {error}. Return a dict.") from None
    if not isinstance(content, Mapping):
        kind = type(content).__name__
        raise StartError(f"{path}: execution_parameters_fn returned {kind}; expected a dict or JSON text of one.")
    return dict(content)


def refusal(path: object, what: str, advice: str) -> StartError:
    """Return the error for parameters that batch transform would refuse."""
    return StartError(f"{path}: execution_parameters_fn: batch transform {what}. {advice}")
