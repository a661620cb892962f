"""What SageMaker would refuse of a job, or what could not go well: said before anything is made."""

import re
from collections.abc import Callable, Iterator

from deploy.errors import Refused
from deploy.facts import Image
from deploy.job.kinds import JobFile, Train, Work
from deploy.stage import instance_types
from deploy.stage.tag_rules import tag_refusals

LONGEST_KEY, LONGEST_VALUE = 256, 2500  # of a hyperparameter
LONGEST_METRIC, LONGEST_REGEX = 255, 500
RESERVED = "code"  # the channel with the program


def require_possible(job: JobFile, where: str) -> None:
    """Raise `Refused` with everything about the job's file that cannot be."""
    if faults := [fault for rule in RULES for fault in rule(job)]:
        raise Refused(f"{where} makes no job as it is:", *faults)


def require_runs_on(job: JobFile, image: Image, work: Work) -> None:
    """Raise `Refused` unless the image is built for the machine."""
    wanted = instance_types.architecture(work.instance_type)
    if image.architecture != wanted:
        raise Refused(
            f"{image.uri} is built for {image.architecture}, and {work.instance_type} is {wanted}.",
            f"Change image or instance_type in deploy/jobs/{job.name}.toml.",
        )


def _types_exist(job: JobFile) -> Iterator[str]:
    if job.process.instance_type not in instance_types.for_processing_jobs():
        yield f"process.instance_type: processing jobs have no {job.process.instance_type}. Take an ml.m5.large."
    if job.train.instance_type not in instance_types.for_training_jobs():
        yield f"train.instance_type: training jobs have no {job.train.instance_type}. Take an ml.m5.large."


def _programs_are_there(job: JobFile) -> Iterator[str]:
    if not job.folder.is_dir():
        yield f"model: there is no folder {job.folder}."
        return
    if job.train.code and not (job.code and job.code.is_dir()):
        yield f"train.code: there is no folder {job.code}."
    if job.process.script and not job.script.is_file():
        yield f"process.script: there is no file {job.script}."


def _channels_differ(job: JobFile) -> Iterator[str]:
    for where, names in (("process.outputs", job.process.outputs), ("train.channels", job.train.channels)):
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{where}: {name} is there twice."
    if RESERVED in job.train.channels:
        yield f"train.channels: {RESERVED} is the channel of the program; call the data something else."


def _hyperparameters_fit(job: JobFile) -> Iterator[str]:
    for name, given in job.train.hyperparameters.items():
        if not isinstance(given, str | int | float):
            yield f"train.hyperparameters: {name}: a text, a number, true or false was expected, not {given!r}."
    for name, value in hyperparameters(job.train).items():
        if "=" in name or "\0" in name + value:
            yield f"train.hyperparameters: {name[:40]!r}: a variable's name has no equals sign, and none a zero byte."
        if not name or len(name) > LONGEST_KEY or len(value) > LONGEST_VALUE:
            yield (
                f"train.hyperparameters: {name[:40]!r}: SageMaker takes a name of up to {LONGEST_KEY} characters and a "
                f"value of up to {LONGEST_VALUE}. What is longer belongs into the data."
            )


def _metrics_are_found(job: JobFile) -> Iterator[str]:
    for name, regex in job.train.metrics.items():
        if not name or len(name) > LONGEST_METRIC or not regex or len(regex) > LONGEST_REGEX:
            yield (
                f"train.metrics: {name[:40]!r}: SageMaker takes a name of up to {LONGEST_METRIC} characters and a "
                f"regular expression of up to {LONGEST_REGEX}."
            )
            continue
        try:
            groups = re.compile(regex).groups
        except re.error as error:
            yield f"train.metrics: {name}: {regex!r} is no regular expression: {error}."
            continue
        if groups != 1:
            yield f"train.metrics: {name}: {regex!r} has {groups} groups; the value is what one group finds: ([0-9.]+)."


def _roles_are_alone(job: JobFile) -> Iterator[str]:
    if job.role and job.reads:
        yield "reads: what the jobs may read is up to the role that the file names. Leave one of the two out."


def hyperparameters(train: Train) -> dict[str, str]:
    """Return them as texts: true and false as JSON writes them."""
    given = train.hyperparameters.items()
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given}


Rule = Callable[[JobFile], Iterator[str]]
RULES: tuple[Rule, ...] = (
    _types_exist,
    _programs_are_there,
    _channels_differ,
    _hyperparameters_fit,
    _metrics_are_found,
    _roles_are_alone,
    tag_refusals,
)
