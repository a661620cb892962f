"""How the text of an environment variable becomes a value; `settings` says which variables there are."""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from serving.errors import StartError


class Variable(NamedTuple):
    """One setting: its spellings, how its text is read, and what it means."""

    names: tuple[str, ...]
    read: Callable[[str], Any]
    default: str
    meaning: str


def read_variable(variable: Variable, environ: Mapping[str, str]) -> Any:
    """Return the value of the first spelling that is set and not empty, or None."""
    for name in variable.names:
        if text := environ.get(name, ""):
            try:
                return variable.read(text)
            except ValueError as expected:
                raise StartError(f"{name} is {text!r}; expected {expected}.") from None
    return None


def metric_namespace(text: str) -> str:
    """Read a namespace of CloudWatch's."""
    if not re.fullmatch(r"[0-9A-Za-z._/#:-]{1,255}", text) or text.startswith(("AWS/", ":")):
        raise ValueError("a namespace: letters, digits and . - _ / # : alone, not beginning with AWS/ or a colon")
    return text


def whole_number(minimum: int) -> Callable[[str], int]:
    """Return a reader of integers that are at least *minimum*."""

    def read(text: str) -> int:
        if not text.strip().isdecimal() or int(text) < minimum:
            raise ValueError(f"a whole number, at least {minimum}")
        return int(text)

    return read


def megabytes(text: str) -> int:
    """Read a size in MB and return it in bytes."""
    return whole_number(1)(text) * 1024 * 1024


def port_number(text: str) -> int:
    """Read a TCP port."""
    if not text.strip().isdecimal() or not 1 <= int(text) <= 65535:
        raise ValueError("a port between 1 and 65535")
    return int(text)


def boolean(text: str) -> bool:
    """Read true or false in any case: the platform writes `true`, its local mode `True`."""
    if text.strip().lower() not in ("true", "false", "1", "0"):
        raise ValueError("true or false")
    return text.strip().lower() in ("true", "1")


def one_of(*words: str) -> Callable[[str], str]:
    """Return a reader of one of these *words*."""

    def read(text: str) -> str:
        if text.strip().lower() not in words:
            raise ValueError(" or ".join(words))
        return text.strip().lower()

    return read


def level(text: str) -> int:
    """Read a logging level, as a number (SageMaker's way, 20 = INFO) or by name."""
    known = logging.getLevelNamesMapping()
    if text.strip().isdecimal():
        return int(text)
    if text.strip().upper() not in known:
        raise ValueError("a number such as 20, or one of DEBUG, INFO, WARNING, ERROR, CRITICAL")
    return known[text.strip().upper()]
