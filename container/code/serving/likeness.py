"""Whether two answers of a model say the same, whatever the media type that they say it in."""

from collections.abc import Iterator, Sequence
from typing import Any

from serving.errors import RequestError
from serving.inference import InferenceResponse
from serving.media_types import NPY
from serving.samples import EXTENSIONS, equal, values_in


def alike(single: InferenceResponse, batched: InferenceResponse) -> bool:
    """Tell whether two answers are the same, floats within the samples' tolerance."""
    if (single.content_type, single.headers) != (batched.content_type, batched.headers) or batched.rest:
        return False
    return single.body == batched.body or (
        equal(readable(batched), readable(single)) and types_in(batched) == types_in(single)
    )


def types_in(answer: InferenceResponse) -> list[Any]:
    """Return the types of what the answer says: 1 is not 1.0, and an array's numbers have sizes."""
    size = len(answer.body) if media_type(answer) == NPY else None
    return [size, *map(type, values_of(answer))]


def values_of(answer: InferenceResponse) -> list[Any]:
    """Return every number and string that the answer says, one after the other."""
    return list(leaves_of(readable(answer)))


def readable(answer: InferenceResponse) -> Any:
    """Return what the answer says, as nested lists of numbers and strings; its bytes where that is not known."""
    suffix = next((suffix for suffix, known in EXTENSIONS.items() if known == media_type(answer)), "")
    try:
        return values_in(answer.body, suffix)
    except (ValueError, RequestError):
        return answer.body


def media_type(answer: InferenceResponse) -> str:
    """Return the answer's media type without its parameters."""
    return answer.content_type.partition(";")[0]


def leaves_of(value: Any) -> Iterator[Any]:
    """Yield the numbers and strings in nested lists and objects."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves_of(inner)
    else:
        yield value


def differ(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Tell whether the values of two answers say different things, and not the same about more or fewer rows."""
    few, many = sorted((one, other), key=len)
    repeated = [few[place % len(few)] for place in range(len(many))] if few else []
    return not equal(repeated, list(many))
