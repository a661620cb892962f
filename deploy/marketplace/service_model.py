"""What SageMaker's own service model says of a request: botocore brings it along, and checks only half of it."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

OPERATION = "CreateModelPackage"
# Java's classes of characters, which Python's expressions lack: what is ASCII in each, and what stands for the rest.
_CLASS = re.compile(r"\\p\{([A-Z])\}")
_END_REPEATED = re.compile(r"\$\{\d+,\d+\}$")  # Java lets the end of a text be repeated; Python does not
_ASCII = {"L": "a-zA-Z", "M": "a", "N": "0-9", "P": r"!-#%-*,-/:;?@\[-\]_{}", "S": "$+<=>^`|~", "Z": " "}
_PLAIN = {"L": "a", "M": "a", "N": "1", "P": "-", "S": "+", "Z": " "}


def faults(request: Any, operation: str = OPERATION) -> Iterator[str]:
    """Yield a sentence for everything that *operation* would not take, whatever it is about."""
    shape = _model().operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape).generate_report()
    yield from filter(None, report.splitlines())
    yield from _beyond_botocore(request, shape, "")


@cache
def _model() -> Any:
    return botocore.session.get_session().get_service_model("sagemaker")


def _beyond_botocore(value: Any, shape: Any, at: str) -> Iterator[str]:
    """Yield what botocore leaves to SageMaker: enumerations, patterns and upper limits."""
    match shape.type_name, value:
        case "structure", dict():
            for name in filter(shape.members.__contains__, value):  # what is unknown, botocore has said
                yield from _beyond_botocore(value[name], shape.members[name], f"{at}.{name}".strip("."))
        case "list", list() | tuple():
            yield from _length(len(value), shape, at, "entries")
            for number, item in enumerate(value):
                yield from _beyond_botocore(item, shape.member, f"{at}[{number}]")
        case "map", dict():
            yield from _length(len(value), shape, at, "entries")
            for key, item in value.items():
                yield from _beyond_botocore(key, shape.key, f"{at}, the name {key!r}")
                yield from _beyond_botocore(item, shape.value, f"{at}.{key}")
        case "string", str():
            yield from _length(len(value), shape, at, "characters")
            yield from _text(value, shape, at)
        case "integer" | "long", int() if value > shape.metadata.get("max", value):
            yield f"{at}: {value} is more than {shape.metadata['max']}."


def _length(length: int, shape: Any, at: str, unit: str) -> Iterator[str]:
    most = shape.metadata.get("max")
    if most is not None and length > most:
        yield f"{at} has {length} {unit}, and SageMaker takes {most}."


def _text(value: str, shape: Any, at: str) -> Iterator[str]:
    pattern, allowed = shape.metadata.get("pattern"), getattr(shape, "enum", None)
    if allowed and value not in allowed:
        yield f"{at}: {value!r} is none of the {len(allowed)} that SageMaker knows, such as {allowed[0]}."
    if pattern and not matches(pattern, value):
        yield f"{at}: {value!r} does not look like {pattern}."


def matches(pattern: str, value: str) -> bool:
    """Tell whether the whole of *value* is as the service model's *pattern* has it."""
    pattern = _END_REPEATED.sub("", pattern)
    if _CLASS.search(pattern):
        pattern = _CLASS.sub(lambda found: _ASCII[found[1]], pattern)
        value = "".join(map(_plain, value))
    return re.fullmatch(pattern, value) is not None


def _plain(character: str) -> str:
    """Return a character of ASCII in the same class."""
    return character if character.isascii() else _PLAIN.get(unicodedata.category(character)[0], character)
