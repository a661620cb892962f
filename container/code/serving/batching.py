"""
Several requests, one call of the model: what a pipeline costs for one row it costs for thirty.

Every request keeps its own answer: they are read and written one by one, only `predict` sees their rows together.
Whatever goes wrong there is tried again with half of the requests, down to each by itself, so that nobody pays for a
neighbour's row: one bad row among 128 requests costs 14 calls more.
"""

import logging
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

from serving.errors import BadRequest
from serving.inference import Context, InferenceRequest, InferenceResponse
from serving.joining import Inseparable, join, kind_of, rows_of, split
from serving.model import Begun, Model
from serving.outcome import Outcome, outcome_of

ROWS_OF_DECODERS = "rows"
log = logging.getLogger(__name__)
NOBODYS = Context("")  # a prediction for several requests has the context of none

Answered = list[tuple[int, Outcome]]  # the places of requests among those asked, and what became of them
Wanted = Callable[[int], bool]  # tells whether somebody still waits for the answer to the request at a place


class Waiting(NamedTuple):
    """A request that was read: its place among those asked, what it can be joined with, and its number of rows."""

    place: int
    begun: Begun
    kind: Hashable
    rows: int


def answer_together(
    model: Model, requests: Sequence[InferenceRequest], most_rows: int, is_wanted: Wanted = lambda place: True
) -> Iterator[Answered]:
    """
    Answer *requests*, those that can be joined with one call of the model for *most_rows* rows or fewer.

    Yields:
        After each call of the model, the outcomes that are there, which may be none: an `InferenceResponse`, or the
        error.
    """
    yield from answer_places(model, requests, range(len(requests)), most_rows, is_wanted)


def answer_one_by_one(model: Model, requests: Sequence[InferenceRequest], is_wanted: Wanted) -> Iterator[Answered]:
    """Answer each of *requests* by itself, where that is still wanted; yield its outcome."""
    for place, request in enumerate(requests):
        if is_wanted(place):
            yield [(place, outcome_of(model.transform, request))]


def answer_places(
    model: Model, requests: Sequence[InferenceRequest], places: Sequence[int], most_rows: int, is_wanted: Wanted
) -> Iterator[Answered]:
    """Answer the requests at *places*, read anew: a call that failed may have changed what was read for it."""
    wanted = [place for place in places if is_wanted(place)]
    if len(wanted) == 1:
        yield [(wanted[0], outcome_of(model.transform, requests[wanted[0]]))]
        return
    read, there = read_all(model, requests, wanted)
    for group in groups_of(read, most_rows):
        for answered in answer_group(model, requests, group, most_rows, is_wanted):
            yield [*there, *answered] if there else answered
            there = []
    if there:
        yield there


def read_all(
    model: Model, requests: Sequence[InferenceRequest], places: Sequence[int]
) -> tuple[list[Waiting], Answered]:
    """Return the requests that could be read, and the outcomes of the others."""
    read: list[Waiting] = []
    failed: Answered = []
    for place in places:
        outcome = outcome_of(begun_at, place, requests[place], model)
        if outcome.error is None:
            read.append(outcome.value)
        else:
            failed.append((place, outcome))
    return read, failed


def begun_at(place: int, request: InferenceRequest, model: Model) -> Waiting:
    """Read the request at *place*; the decoders' rows go with each other, whatever their type."""
    begun = model.begin(request)
    decoded = begun.decoded
    if model.hooks.input_fn:
        kind = kind_of(decoded)
        return Waiting(place, begun, kind, 0 if kind is None else rows_of(decoded))
    rows = len(decoded)
    return Waiting(place, begun, ROWS_OF_DECODERS if rows else None, rows)  # no rows are an error, and its own


def groups_of(read: Sequence[Waiting], most_rows: int) -> list[list[Waiting]]:
    """Return the requests that go together: of one kind, and of *most_rows* rows in all, unless one has more."""
    groups: list[list[Waiting]] = []
    unfilled: dict[Hashable, tuple[list[Waiting], int]] = {}  # of each kind a group, and its rows
    for waiting in read:
        group, rows = unfilled.get(waiting.kind, ([], 0))
        if group and (waiting.kind is None or rows + waiting.rows > most_rows):
            group, rows = [], 0
        if not group:
            groups.append(group)
        group.append(waiting)
        unfilled[waiting.kind] = group, rows + waiting.rows
    return groups


def answer_group(
    model: Model, requests: Sequence[InferenceRequest], group: Sequence[Waiting], most_rows: int, is_wanted: Wanted
) -> Iterator[Answered]:
    """Yield the outcomes of requests that go together: at once, or those of one half and then of the other."""
    wanted = [waiting for waiting in group if is_wanted(waiting.place)]
    if len(wanted) < 2:
        yield [(waiting.place, outcome_of(alone, model, waiting.begun)) for waiting in wanted]
        return
    call = outcome_of(joined, model, wanted)
    if isinstance(call.error, BadRequest) and (refused := those_that_do_not_fit(model, wanted)):
        yield list(refused.items())
        fitting = [waiting for waiting in wanted if waiting.place not in refused]
        yield from answer_group(model, requests, fitting, most_rows, is_wanted)
        return
    if call.error is None:
        call = outcome_of(together, model, wanted, call.value)
    if call.error is not None:  # whoever it was will hear of it when asked alone
        log.debug("%d requests failed together", len(wanted), extra={"reason": repr(call.error)[:300]})
        yield []
        places = [waiting.place for waiting in wanted]
        for half in (places[: len(places) // 2], places[len(places) // 2 :]):
            yield from answer_places(model, requests, half, most_rows, is_wanted)
        return
    yield [one for one in call.value if one[1].error is None]
    for place in [place for place, answer in call.value if answer.error is not None]:
        yield from answer_places(model, requests, [place], most_rows, is_wanted)


def joined(model: Model, group: Sequence[Waiting]) -> Any:
    """Return the model's input for requests of one kind."""
    if model.hooks.input_fn:
        return join([waiting.begun.decoded for waiting in group])
    if model.schema.kind == "matrix":
        return join([model.assemble(waiting.begun) for waiting in group])
    return model.schema.assemble([row for waiting in group for row in waiting.begun.decoded])


def those_that_do_not_fit(model: Model, group: Sequence[Waiting]) -> dict[int, Outcome]:
    """Return the outcomes of requests whose rows are not what the model takes; for that it need not be called."""
    assembled = [(waiting.place, outcome_of(model.assemble, waiting.begun)) for waiting in group]
    return {place: outcome for place, outcome in assembled if outcome.error is not None}


def together(model: Model, group: Sequence[Waiting], data: Any) -> Answered:
    """Return the answers to requests of one kind, from one call of the model with *data*; raise whatever it raises."""
    parts = list(split(predict(model, data), [waiting.rows for waiting in group]))
    log.debug("%d requests were answered together", len(group))
    return [
        (waiting.place, outcome_of(model.finish, waiting.begun, part))
        for waiting, part in zip(group, parts, strict=True)
    ]


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
