"""What became of a job's runs, and what stays of them."""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from deploy.errors import Refused
from deploy.job import places
from deploy.job.kinds import JobFile
from deploy.job.requests import cost_note
from deploy.job.running import PROCESSING, TRAINING, UNDERWAY, Kind, log_line
from deploy.progress import in_words, listed, minutes
from deploy.s3 import objects
from deploy.stack.kept import MANY, Kept, Unseen

SHOWN = 5  # runs of each kind
VERBS: Mapping[str, str] = {PROCESSING.word: "process", TRAINING.word: "train"}


class Report(NamedTuple):
    """How the runs are, in words; and the exit status that says so."""

    text: str
    exit_code: int


def report(job: JobFile, sagemaker: Any) -> Report:
    """Return the latest runs of both kinds, the newest first; the exit status is 1 if the newest of one has failed."""
    lines, exit_code = [], 0
    for kind, work in ((PROCESSING, job.process), (TRAINING, job.train)):
        runs = list(islice(_runs(job, kind, sagemaker), SHOWN))
        lines.append(f"{kind.word.lower()}: {'the latest runs' if runs else 'no runs'}; {cost_note(work)}")
        lines += [f"  {_in_words(kind, one)}" for one in runs]
        if runs:
            said = log_line(kind, runs[0][kind.key("Name")], sagemaker.meta.region_name)
            lines.append(f"  {said.replace('its log', 'the log of the first')}")
            exit_code |= runs[0][kind.key("Status")] == "Failed"
    return Report("\n".join(lines), int(exit_code))


def require_none_underway(job: JobFile, sagemaker: Any) -> None:
    """Raise `Refused` if a run goes on: it would lose its role."""
    for kind in (PROCESSING, TRAINING):
        runs = (one for status in UNDERWAY for one in _runs(job, kind, sagemaker, StatusEquals=status))
        names = [one[kind.key("Name")] for one in runs]
        if names:
            word, region = kind.word.lower(), sagemaker.meta.region_name
            raise Refused(
                f"{job.name} has a {word} job that runs, and would lose its role: {listed(names)}.",
                f"Wait, or stop it: aws sagemaker stop-{word}-job --{word}-job-name {names[0]} --region {region}",
            )


def what_stays(job: JobFile, bucket: str, client: Callable[[str], Any], *, there_was_one: bool) -> str:
    """Return what is left of the job, what it costs, and the command that removes it."""
    first = f"The role of {job.name} is gone." if there_was_one else f"{job.name} has no role of its own."
    url = f"{places.folder_of(job, bucket).url}/"
    try:
        found = list(islice(objects(client("s3"), url), MANY + 1))
    except Refused as refused:  # by now the role is gone: nothing is raised
        return f"{first}\n{Unseen(url, str(refused))}"
    if not found:
        return f"{first} Nothing stays but the logs, in groups of the whole account: {_groups()}."
    number = f"{len(found):,} objects" if len(found) <= MANY else f"more than {MANY:,} objects"
    what = f"data, programs and models of {job.name}, in {url}"
    cost = f"{number}, {in_words(sum(one.size for one in found))}, billed by size and month"
    kept = Kept(what, cost, f"aws s3 rm --recursive {url}")
    return f"{first} What stays on purpose, and the command that removes it:\n{kept}\nLogs: {_groups()}."


def _groups() -> str:
    return f"{PROCESSING.log_group}, {TRAINING.log_group}"


def _runs(job: JobFile, kind: Kind, sagemaker: Any, **which: str) -> Iterator[dict[str, Any]]:
    """Yield the job's own runs, the newest first; another job's name may begin like this one's."""
    prefix = f"{job.name}-{VERBS[kind.word]}-"
    pages = sagemaker.get_paginator(f"list_{kind.word.lower()}_jobs").paginate(
        NameContains=prefix, SortBy="CreationTime", SortOrder="Descending", **which
    )
    for page in pages:
        for one in page[f"{kind.word}JobSummaries"]:
            if re.fullmatch(rf"{re.escape(prefix)}\d{{8}}-\d{{6}}", one[kind.key("Name")]):
                yield one


def _in_words(kind: Kind, one: Mapping[str, Any]) -> str:
    end = one.get(f"{kind.word}EndTime")
    took = f" after {minutes((end - one['CreationTime']).total_seconds())}" if end else ""
    return f"{one[kind.key('Name')]} {one[kind.key('Status')]}{took}"
