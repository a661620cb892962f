"""Content-Type and Accept: what came in, and which of the types on offer goes out."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from serving.errors import NotAcceptable
from serving.response_headers import is_visible

CSV = "text/csv"
JSON = "application/json"
JSON_LINES = "application/jsonlines"
NPY = "application/x-npy"
TEXT = "text/plain"

MAX_CONTENT_TYPE = 1024  # characters; SageMaker's own limit
DEFAULT = JSON  # what AWS's toolkits take a missing Content-Type or Accept for
ALIASES = {"application/jsonl": JSON_LINES, "application/x-ndjson": JSON_LINES, "text/json": JSON}


class MediaType(NamedTuple):
    """A media type without its parameters, in lower case, and the one parameter that matters."""

    name: str
    charset: str
    sent: str  # the name as the caller spells it, where that is an alias


@lru_cache(maxsize=256)
def parse_content_type(header: str | None) -> MediaType:
    """Read a Content-Type header; a missing or empty one is JSON."""
    name, parameters = parse_options_header(header)
    name = name.strip().lower() or DEFAULT
    return MediaType(ALIASES.get(name, name), parameters.get("charset", "utf-8"), name)


@lru_cache(maxsize=256)
def choose_accept(header: str | None, offered: tuple[str, ...], default: str) -> str:
    """
    Return the media type of the answer.

    Args:
        header: the Accept header, with q-values and wildcards; missing or empty accepts anything.
        offered: what the model can write; empty when only its own `output_fn` knows.
        default: the answer where the caller has no preference.

    Raises:
        NotAcceptable: when nothing on offer is acceptable.
    """
    accept = parse_accept(header) if header and header.strip() else MIMEAccept([("*/*", 1)])
    if not offered:
        return sendable(first_named(accept) or default)
    candidates = [default, *(name for name in offered if name != default)]
    if chosen := accept.best_match(with_aliases(candidates)):
        return chosen
    raise NotAcceptable(f"Cannot answer in {header!r:.100}; this model answers in {', '.join(candidates)}.")


def sendable(name: str) -> str:
    """Return the name of a media type; raise `NotAcceptable` for one that the answer's Content-Type cannot have."""
    if not is_visible(name) or len(name) > MAX_CONTENT_TYPE:
        raise NotAcceptable(
            f"Cannot answer in {name!r:.100}; a media type has at most {MAX_CONTENT_TYPE} visible US-ASCII characters."
        )
    return name


def parse_accept(header: str) -> MIMEAccept:
    """Read an Accept header; parameters such as charset do not matter, for nobody offers them."""
    accept = parse_accept_header(header, MIMEAccept)
    return MIMEAccept([(value.partition(";")[0].strip(), quality) for value, quality in accept])


def with_aliases(names: Sequence[str]) -> list[str]:
    """Return *names* and every other spelling of them, so that an answer is labelled as the caller spells it."""
    return [*names, *(alias for alias, name in ALIASES.items() if name in names)]


def first_named(accept: MIMEAccept) -> str | None:
    """Return the most wanted type that is no wildcard, without parameters."""
    for value, quality in accept:
        name = value.partition(";")[0].strip().lower()
        if quality > 0 and "*" not in name:
            return name
    return None
