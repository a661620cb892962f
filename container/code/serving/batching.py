"""
Several requests, one call of the model: what a pipeline costs for one row it costs for thirty.

Every request keeps its own answer: they are read and written one by one, only `predict` sees their rows together.
Whatever goes wrong there is tried again, request by request, so that nobody pays for a neighbour's row.
"""

import logging
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from serving.inference import Context, InferenceRequest, InferenceResponse
from serving.joining import Inseparable, join, kind_of, rows_of, split
from serving.model import Begun, Model
from serving.outcome import Outcome, outcome_of

ROWS_OF_DECODERS = "rows"
log = logging.getLogger(__name__)
NOBODYS = Context("")  # a prediction for several requests has the context of none


class Waiting(NamedTuple):
    """A request among others that was read: where it stands, and what it can be joined with."""

    place: int
    kind: Hashable
    begun: Begun


Answered = list[tuple[int, Outcome]]  # the places of requests among those asked, and what became of them


def answer_together(
    model: Model,
    requests: Sequence[InferenceRequest],
    most_rows: int,
    is_wanted: Callable[[int], bool] = lambda place: True,
) -> Iterator[Answered]:
    """
    Answer *requests*, those that can be joined with one call of the model for *most_rows* rows or fewer.

    Args:
        is_wanted: tells whether somebody still waits for the answer to the request at a place.

    Yields:
        After each call of the model, the outcomes that are there: an `InferenceResponse`, or the error.
    """
    begun = [outcome_of(model.begin, request) for request in requests]
    there = [(place, outcome) for place, outcome in enumerate(begun) if outcome.error is not None]
    read = [
        Waiting(place, kind_of_request(model, outcome.value), outcome.value)
        for place, outcome in enumerate(begun)
        if outcome.error is None
    ]
    for group in groups_of(read, most_rows):
        for answered in answer_group(model, group, is_wanted):
            yield [*there, *answered]
            there = []
    if there:
        yield there


def answer_group(model: Model, group: Sequence[Waiting], is_wanted: Callable[[int], bool]) -> Iterator[Answered]:
    """Yield the outcomes of requests of one kind: at once, and one after the other of those that fail so."""
    wanted = [waiting for waiting in group if is_wanted(waiting.place)]
    answers = together_if_possible(model, [waiting.begun for waiting in wanted])
    answered = [(one.place, answer) for one, answer in zip(wanted, answers, strict=True) if answer.error is None]
    if answered:
        yield answered
    places = {place for place, _ in answered}
    for waiting in wanted:
        if waiting.place not in places and is_wanted(waiting.place):
            # Read anew: what was read may have been changed on the way to the failure.
            yield [(waiting.place, outcome_of(model.transform, waiting.begun.context.request))]


def kind_of_request(model: Model, begun: Begun) -> Hashable:
    """Return what the request's rows can be joined with; the decoders' rows with each other, whatever their type."""
    if not model.hooks.input_fn:
        return ROWS_OF_DECODERS if len(begun.decoded) else None  # no rows are an error, and that request's own
    return kind_of(begun.decoded)


def groups_of(read: Sequence[Waiting], most_rows: int) -> Iterator[list[Waiting]]:
    """Yield the requests that go together: of one kind, and of *most_rows* rows in all, unless one has more."""
    kinds = list(dict.fromkeys(waiting.kind for waiting in read))
    for kind, same in groupby(sorted(read, key=lambda one: kinds.index(one.kind)), key=lambda one: one.kind):
        group: list[Waiting] = []
        rows = 0
        for waiting in same:
            more = rows_of(waiting.begun.decoded) if kind is not None else most_rows
            if group and rows + more > most_rows:
                yield group
                group, rows = [], 0
            group.append(waiting)
            rows += more
        yield group


def together_if_possible(model: Model, begun: Sequence[Begun]) -> list[Outcome]:
    """Return the outcomes of requests of one kind; an error if one has to be asked by itself."""
    if len(begun) == 1:
        return [outcome_of(alone, model, begun[0])]
    try:
        return together(model, begun)
    except BaseException as error:  # whoever it was will hear of it when asked alone
        log.info("%d requests could not be answered together", len(begun), extra={"reason": repr(error)[:300]})
        return [Outcome(error=error)] * len(begun)


def together(model: Model, begun: Sequence[Begun]) -> list[Outcome]:
    """Return the answers to requests of one kind, from one call of the model; raise whatever it raises."""
    data, counts = joined(model, begun)
    parts = list(split(predict(model, data), counts))
    return [outcome_of(model.finish, one, part) for one, part in zip(begun, parts, strict=True)]


def joined(model: Model, begun: Sequence[Begun]) -> tuple[Any, list[int]]:
    """Return the model's input for all of them, and how many rows of it are whose."""
    counts = [rows_of(one.decoded) for one in begun]
    if model.hooks.input_fn:
        return join([one.decoded for one in begun]), counts
    if model.schema.kind == "matrix":
        return join([model.assemble(one) for one in begun]), counts
    return model.schema.assemble([row for one in begun for row in one.decoded]), counts


def predict(model: Model, data: Any) -> Any:
    """Return the prediction; raise `Inseparable` for one in parts, which nobody will ever ask for."""
    prediction = model.predict(data, NOBODYS)
    if isinstance(prediction, Iterator):
        if close := getattr(prediction, "close", None):
            close()
        raise Inseparable("the model streams")
    return prediction


def alone(model: Model, begun: Begun) -> InferenceResponse:
    """Return the answer to one request that was read."""
    return model.finish(begun, model.predict(model.assemble(begun), begun.context))
