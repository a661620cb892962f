"""Is what a model answers what was shipped as its answer?"""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from deploy.marketplace.exchanges import Exchange

TOLERANCE = 1e-6  # relative: another processor may differ in a float's last digits
SHOWN = 100  # bytes of an answer


def differences(exchanges: Iterable[Exchange], found: Iterable[bytes]) -> Iterator[str]:
    """Yield a sentence for each answer that is not the one that was shipped."""
    for exchange, answer in zip(exchanges, found, strict=True):
        if not same(answer, exchange.expected):
            yield (
                f"{exchange.question.name}: the model answers {_shown(answer)}, "
                f"and {_shown(exchange.expected)} is shipped as its answer."
            )


def same(found: bytes, expected: bytes) -> bool:
    """Tell whether two answers are equal; in JSON, numbers may differ by `TOLERANCE`."""
    try:
        return _equal(json.loads(found), json.loads(expected))
    except ValueError:
        return found.strip() == expected.strip()


def _equal(found: Any, expected: Any) -> bool:
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(_equal(found[key], expected[key]) for key in found)
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(_equal, found, expected))
    if isinstance(found, float) or isinstance(expected, float):
        numbers = isinstance(found, int | float) and isinstance(expected, int | float)
        return numbers and math.isclose(found, expected, rel_tol=TOLERANCE, abs_tol=1e-9)
    return bool(found == expected)


def _shown(answer: bytes) -> str:
    return answer[:SHOWN].decode(errors="replace").strip()
