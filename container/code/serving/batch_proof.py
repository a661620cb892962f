"""
Proof that requests may be answered together: the samples get the answers that they get alone, in many batches.

`judge_in_fork` finds that out where a model that hangs, dies or takes all memory costs nothing but the batching.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from serving.batch_trial import Refuted, Unproved, prove
from serving.canary import ask_in_fork, how_it_ended
from serving.hook_globals import left_in_a_global
from serving.model import Model
from serving.samples import Sample

PATIENCE = 5.0  # seconds that a trial may take which nobody has asked for
ALTHOUGH = "the manifest asks for it, although "


@dataclass(frozen=True)
class Verdict:
    """Whether requests are answered together, and why; `against_wish`: off, although the manifest asks for it."""

    together: bool
    reason: str
    against_wish: bool = False


Judge = Callable[[Model, Sequence[Sample], int, float], Verdict]


def judge_in_fork(model: Model, samples: Sequence[Sample], most_rows: int, patience: float) -> Verdict:
    """Return whether requests may be answered together; what is asked for may take *patience* to be proved."""
    if verdict := foregone(model, most_rows):
        return verdict
    seconds = patience if model.batching else min(patience, PATIENCE)
    said, wait_status = ask_in_fork(lambda: as_bytes(judge(model, samples, most_rows, seconds / 2)), seconds)
    if said is None:
        return off(model, f"answering the samples together was not done within {seconds:g} s")
    if not said:
        return off(model, f"answering the samples together ended the process: {how_it_ended(wait_status)}")
    return Verdict(**json.loads(said))


def judge_in_worker(model: Model, samples: Sequence[Sample], most_rows: int, patience: float) -> Verdict:
    """
    Return whether requests may be answered together, where the model cannot be forked.

    Nothing can end a trial that hangs in the worker itself, or bring back a worker that dies of it. So there is one
    only for who asks for it.
    """
    if verdict := foregone(model, most_rows):
        return verdict
    if not model.batching:
        return Verdict(False, "each worker loads the model, and a trial that hangs there could not be ended")
    return judge(model, samples, most_rows, patience / 2)


def foregone(model: Model, most_rows: int) -> Verdict | None:
    """Return the verdict where nothing has to be tried, else None."""
    if model.batching is False:
        return Verdict(False, "the manifest forbids it")
    if most_rows < 2:
        return Verdict(False, "SERVING_BATCH_ROWS forbids it")
    if reason := model.one_at_a_time:
        return off(model, reason)
    return None


def judge(model: Model, samples: Sequence[Sample], most_rows: int, seconds: float) -> Verdict:
    """Try it here, with batches begun in the first *seconds*; what the samples leave open the manifest decides."""
    try:
        said = prove(model, samples, most_rows, seconds)
        if (name := left_in_a_global(model.hooks)) is not None:
            raise Unproved(f"a hook leaves something in the global {name!r} for a later one")
    except Unproved as doubt:
        return Verdict(True, f"{ALTHOUGH}{doubt}") if model.batching else Verdict(False, str(doubt))
    except Refuted as refusal:
        return off(model, str(refusal))
    except BaseException as error:
        return off(model, f"the samples cannot be answered together: {type(error).__name__}: {error!s:.200}")
    return Verdict(True, said)


def off(model: Model, reason: str) -> Verdict:
    """Return the verdict that stands whatever the manifest says."""
    return Verdict(False, reason, against_wish=bool(model.batching))


def as_bytes(verdict: Verdict) -> bytes:
    """Return the verdict as it goes through a pipe, at once."""
    return json.dumps(asdict(replace(verdict, reason=verdict.reason[:300]))).encode()
