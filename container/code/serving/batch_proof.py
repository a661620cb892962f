"""Proof that requests may be answered together: the samples, in one batch, get the answers that they get alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from serving.batching import kind_of_request, together
from serving.inference import InferenceRequest, InferenceResponse
from serving.model import Begun, Model
from serving.samples import EXTENSIONS, TOLERANCE, Sample, same


@dataclass(frozen=True)
class Verdict:
    """Whether requests are answered together, and why."""

    together: bool
    reason: str


def judge(model: Model, samples: Sequence[Sample], most_rows: int) -> Verdict | None:
    """Return whether the samples show that requests may be answered together; None if nobody wants to know."""
    if not model.batching:
        return None
    if most_rows < 2:
        return Verdict(False, "SERVING_BATCH_ROWS forbids it")
    if reason := model.one_at_a_time:
        return Verdict(False, reason)
    if not samples:
        return Verdict(False, "there are no samples/ to prove that answers stay the same")
    return compare(model, [sample.to_request() for sample in samples])


def compare(model: Model, requests: Sequence[InferenceRequest]) -> Verdict:
    """Answer *requests* one by one, then together."""
    single = [model.transform(request) for request in requests]
    bodies = {answer.read() for answer in single}
    if any(answer.rest is not None for answer in single):
        return Verdict(False, "the model streams its answers")
    if len(bodies) < 2:
        return Verdict(False, "no two samples have different answers, so they cannot show whose answer is whose")
    try:
        batched = answers_together(model, [model.begin(request) for request in requests])
    except BaseException as error:
        return Verdict(False, f"the samples cannot be answered together: {type(error).__name__}: {error!s:.200}")
    if not all(map(alike, single, batched)):
        return Verdict(False, "the samples are answered differently when they are answered together")
    exactly = all(one.body == other.body for one, other in zip(single, batched, strict=True))
    return Verdict(True, f"the samples' answers are the same{'' if exactly else f', within {TOLERANCE:g}'}")


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
    if (single.content_type, single.headers) != (batched.content_type, batched.headers) or batched.rest:
        return False
    suffix = next((suffix for suffix, name in EXTENSIONS.items() if name == single.content_type.partition(";")[0]), "")
    return same(batched.body, single.body, suffix)
