"""
The trial of answering the samples together, in batches of several sizes and orders.

Each sample stands there several times, beside itself and beside others, so that rows of a request are at different
offsets. A batch is read, predicted and answered as the requests of callers are.
"""

import random
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate, cycle, islice
from typing import Any, NamedTuple

from serving.batching import Waiting, groups_of, joined, read_all, together
from serving.inference import InferenceRequest, InferenceResponse
from serving.likeness import alike, differ, values_of
from serving.model import Model
from serving.samples import FOLDER, TOLERANCE, Sample
from serving.streams import close_parts

PAIRED = 8  # samples of which each stands beside the next, on both sides
SIZES = (7, 7, 64, 64)  # requests in the batches after the first pair
ENOUGH = 3  # batches: a pair both ways round, and a larger one
BYTES = 1 << 20  # of bodies in a batch; a pair may have more
HAND_OVER = 0.0002  # seconds that a call costs beside the model: a switch between two threads, and back


class Unproved(Exception):
    """The samples cannot show whether requests may be answered together."""


class Refuted(Exception):
    """The samples show that requests must not be answered together."""


class Spent(NamedTuple):
    """Seconds: on the wall's clock, and of computing."""

    wall: float
    computing: float

    @classmethod
    def until_now(cls) -> "Spent":
        """Return what both clocks say."""
        return cls(time.monotonic(), time.process_time())

    def since(self) -> "Spent":
        """Return what was spent since *self* was taken."""
        now = self.until_now()
        return Spent(now.wall - self.wall, now.computing - self.computing)


class Case(NamedTuple):
    """A sample, its request, the answer that this gets alone, the values in it, and what was spent on it."""

    name: str
    request: InferenceRequest
    answer: InferenceResponse
    values: list[Any]
    spent: Spent


class Found(NamedTuple):
    """
    What a batch has shown.

    Attributes:
        seconds: for each of its requests.
        exactly: every answer has the bytes that it has alone.
        tells: two requests with different answers were given to the model in one call.
        pays: on average, nobody waits longer for the whole batch than for his turn, one after the other.
    """

    size: int
    seconds: float
    exactly: bool
    tells: bool
    pays: bool


def prove(model: Model, samples: Sequence[Sample], most_rows: int, seconds: float) -> str:
    """
    Answer the samples one by one, then in batches of *most_rows* rows or fewer that will be done within *seconds*.

    Returns:
        How far the answers are the same.

    Raises:
        Unproved: when the samples cannot tell.
        Refuted: when they tell that it must not be.
    """
    if not samples:
        raise Unproved("there are no samples/ to prove that answers stay the same")
    began = time.monotonic()
    cases = cases_of(model, samples)
    batches = list(batches_of(cases))
    found: list[Found] = []
    pace = max(case.spent.wall for case in cases)
    for batch in batches:
        if time.monotonic() - began + len(batch) * pace > seconds:
            break
        found.append(try_batch(model, batch, most_rows))
        pace = found[-1].seconds
    if len(found) < min(ENOUGH, len(batches)):
        raise Unproved(f"the samples take too long to be answered together within {seconds:g} s")
    refuse_what_shows_nothing(cases, found)
    exactly = all(one.exactly for one in found)
    return f"the samples' answers are {'exactly the same' if exactly else f'the same within {TOLERANCE:g}'}"


def refuse_what_shows_nothing(cases: Sequence[Case], found: Sequence[Found]) -> None:
    """Raise `Unproved` unless the batches could have shown a mistake, and are worth it."""
    if not any(differ(one.values, cases[0].values) for one in cases):
        raise Unproved("no two samples have different answers, so they cannot show whose answer is whose")
    if not any(one.tells for one in found):
        raise Unproved("no two samples that have different answers can be joined")
    largest = max(one.size for one in found)
    if not any(one.pays for one in found if one.size == largest):
        raise Unproved(f"{largest} requests together take longer than one waits, on average, when each has its turn")


def cases_of(model: Model, samples: Sequence[Sample]) -> list[Case]:
    """Answer each sample by itself, and again in the reverse order; raise `Unproved` unless the answers agree."""
    cases = [case_of(model, sample, number) for number, sample in enumerate(samples)]
    for number, sample in reversed([*enumerate(samples)]):
        first, again = cases[number], case_of(model, sample, number)
        if not alike(first.answer, again.answer):
            raise Unproved(f"answers differ from call to call, as for {first.name}")
        cases[number] = first._replace(spent=Spent(*map(min, first.spent, again.spent)))
    return cases


def case_of(model: Model, sample: Sample, number: int) -> Case:
    """Answer one sample; it has an id of its own, for hooks that make something of that."""
    request = sample.to_request()._replace(request_id=f"sample-{number}")
    began = Spent.until_now()
    answer = model.transform(request)
    spent = began.since()
    if answer.rest is not None:
        close_parts(answer.rest, request.request_id)
        raise Refuted("the model streams its answers")
    return Case(f"{FOLDER}/{sample.request.name}", request, answer, values_of(answer), spent)


def batches_of(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """Yield a pair both ways round, larger batches with all samples again and again, and then the other pairs."""
    some = cases[:PAIRED]
    pairs = [[one, other] for one, other in zip(some, (*some[1:], some[0]), strict=True)]
    both_ways = [way for pair in pairs for way in (pair, pair[::-1])]
    chance = random.Random(0)  # noqa: S311 - no secret, and the same at each start
    yield from both_ways[:2]
    for size in SIZES:
        batch = list(islice(cycle(cases), size))
        chance.shuffle(batch)
        bodies = accumulate(len(case.request.body) for case in batch)
        fitting = [case for case, total in zip(batch, bodies, strict=True) if total <= BYTES]
        if len(fitting) > 1:
            yield fitting
    yield from both_ways[2:]


def try_batch(model: Model, batch: Sequence[Case], most_rows: int) -> Found:
    """Answer *batch* as a worker does; raise `Refuted`, or what the model raises, when that goes wrong."""
    began = Spent.until_now()
    read, failed = read_all(model, [case.request for case in batch], range(len(batch)))
    for _, outcome in failed:
        outcome.get()
    answered = [together(model, group, joined(model, joinable(group))) for group in groups_of(read, most_rows)]
    spent = began.since()
    exactly, tells = True, False
    for group in answered:
        first = batch[group[0][0]]
        for place, outcome in group:
            case, answer = batch[place], outcome.get()
            if not alike(case.answer, answer):
                raise Refuted(f"{case.name} is answered differently beside others than alone")
            exactly = exactly and answer.body == case.answer.body
            tells = tells or differ(case.values, first.values)
    return Found(len(batch), spent.wall / len(batch), exactly, tells, pays(batch, spent))


def joinable(group: list[Waiting]) -> list[Waiting]:
    """Return the group; raise `Refuted` where there is no telling what its rows are."""
    if group[0].kind is None:
        raise Refuted(f"input_fn returns {type(group[0].begun.decoded).__name__}, which is not joined")
    return group


def pays(batch: Sequence[Case], spent: Spent) -> bool:
    """
    Tell whether requests wait less for all than, on average, for their turn.

    What counts is the time of computing, which is the same however busy the machine is, unless the model mostly waits.
    """
    alone = Spent(*map(sum, zip(*(case.spent for case in batch), strict=True)))
    waits = alone.wall > 5 * alone.computing
    together, one_by_one = (spent.wall, alone.wall) if waits else (spent.computing, alone.computing)
    turns = one_by_one + HAND_OVER * len(batch)
    return together + HAND_OVER <= turns * (len(batch) + 1) / (2 * len(batch))
