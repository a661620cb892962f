"""Proof that requests may be answered together: the samples, in one batch, get the answers that they get alone."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from serving.batching import kind_of_request, together
from serving.inference import InferenceRequest, InferenceResponse
from serving.model import Begun, Model
from serving.samples import EXTENSIONS, TOLERANCE, Sample, same

MOST = 16  # requests in the proof
PATIENCE = 0.5  # s, about what asking them one by one may take at each start
LONGEST = 5.0  # s for one answer; who waits that long for it does not want to wait for the proof
WORTH_IT = 1.2  # times as fast; below that, waiting for the neighbours costs more than it saves

Clock = Callable[[], float]


@dataclass(frozen=True)
class Verdict:
    """Whether requests are answered together, and why."""

    together: bool
    reason: str


def judge(model: Model, samples: Sequence[Sample], most_rows: int, clock: Clock = time.perf_counter) -> Verdict:
    """
    Try whether batched answers equal single ones, and are worth it.

    The manifest can forbid it, or have it done without proof wherever it can be.
    """
    if most_rows < 2:
        return Verdict(False, "SERVING_BATCH_ROWS forbids it")
    if model.batching is False:
        return Verdict(False, "the manifest forbids it")
    if reason := model.one_at_a_time:
        return Verdict(False, reason)
    if model.batching:
        return Verdict(True, "the manifest asks for it")
    if not samples:
        return Verdict(False, "there are no samples/ to prove that answers stay the same")
    return compare(model, [sample.to_request() for sample in samples], clock)


def compare(model: Model, samples: Sequence[InferenceRequest], clock: Clock) -> Verdict:
    """Answer the samples one by one, then together."""
    began = clock()
    first = model.transform(samples[0])
    first.read()
    seconds = clock() - began
    if first.rest is not None:
        return Verdict(False, "the model streams its answers")
    if seconds > LONGEST:
        return Verdict(False, f"one answer takes {seconds:.1f} s: too long to try it at each start")
    number = max(2, min(MOST, int(PATIENCE / max(seconds, 1e-9))))
    requests = list(islice(cycle(samples), number))
    began = clock()
    single = [model.transform(request) for request in requests]
    singly = clock() - began
    return compare_with(model, requests, single, singly, clock)


def compare_with(
    model: Model, requests: Sequence[InferenceRequest], single: Sequence[InferenceResponse], singly: float, clock: Clock
) -> Verdict:
    """Answer *requests* together, and hold that against the answers that took *singly* seconds one by one."""
    try:
        began = clock()
        batched = answers_together(model, [model.begin(request) for request in requests])
        jointly = clock() - began
    except BaseException as error:
        return Verdict(False, f"the samples cannot be answered together: {type(error).__name__}: {error!s:.200}")
    for one in (*single, *batched):
        one.read()
    if not all(map(alike, single, batched)):
        return Verdict(False, "the samples are answered differently when they are answered together")
    gain = f"{len(requests)} samples take {jointly * 1000:.1f} ms together, {singly * 1000:.1f} ms one by one"
    if singly < jointly * WORTH_IT:
        return Verdict(False, f"it would not be worth it: {gain}")
    exactly = all(one.body == other.body for one, other in zip(single, batched, strict=True))
    return Verdict(True, f"the answers are the same{'' if exactly else f', within {TOLERANCE:g}'}: {gain}")


def answers_together(model: Model, begun: Sequence[Begun]) -> list[InferenceResponse]:
    """Return the answers, with one call of the model for each kind of input; raise what stands in the way."""
    answers: dict[int, InferenceResponse] = {}
    kinds = [kind_of_request(model, one) for one in begun]
    for kind in dict.fromkeys(kinds):
        if kind is None:
            raise TypeError(f"input_fn returns {type(begun[kinds.index(kind)].decoded).__name__}, which is not joined")
        places = [place for place, one in enumerate(kinds) if one == kind]
        outcomes = together(model, [begun[place] for place in places])
        answers.update((place, outcome.get()) for place, outcome in zip(places, outcomes, strict=True))
    return [answers[place] for place in range(len(begun))]


def alike(single: InferenceResponse, batched: InferenceResponse) -> bool:
    """Tell whether two answers say the same, floats within the samples' tolerance."""
    if (single.content_type, single.headers) != (batched.content_type, batched.headers) or single.rest or batched.rest:
        return False
    suffix = next((suffix for suffix, name in EXTENSIONS.items() if name == single.content_type.partition(";")[0]), "")
    return same(batched.body, single.body, suffix)
