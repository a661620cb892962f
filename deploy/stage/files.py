"""Read a stage's file; say in words what is wrong with it."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from deploy.errors import Refused
from deploy.stage import patterns
from deploy.stage.kinds import Stage
from deploy.stage.never import NEVER

STAGES = Path(__file__).parents[1] / "stages"
# SageMaker's rule for an endpoint's name, with room for the stack's prefix and for what is appended to it.
STAGE_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
LONGEST_NAME = 53
CLASSES: Mapping[str, type[BaseModel]] = {
    get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in get_args(Stage)
}
KINDS = tuple(CLASSES)

_LOOKS = {
    patterns.S3: "an address such as s3://my-bucket/some/prefix",
    patterns.KEY: "the ARN of a KMS key, such as arn:aws:kms:eu-west-1:123456789012:key/1234abcd-…,",
    patterns.NAME: "a name of letters, digits and hyphens, no hyphen at either end,",
    patterns.TYPE: "an instance type such as ml.m5.large",
    patterns.REGION: "a Region such as eu-west-1",
    patterns.BUCKET: "a bucket's name, without s3://,",
    patterns.VARIABLE: "a variable's name of letters, digits and underscores",
    patterns.EMAIL: "an e-mail address",
    patterns.GROUP: "a security group's id, such as sg-0123abcd,",
    patterns.SUBNET: "a subnet's id, such as subnet-0123abcd,",
}
_stage: TypeAdapter[Stage] = TypeAdapter(Annotated[Stage, Field(discriminator="kind")])


def require_stage_name(name: str) -> str:
    """Return *name*; raise `Refused` if SageMaker would not take it for an endpoint."""
    if not name:
        raise Refused("No stage was named: STAGE=name is a file in deploy/stages, without .toml.")
    if not STAGE_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise Refused(
            f"{name!r} cannot name a stage: the endpoint is called the same, and SageMaker takes letters, digits and "
            f"hyphens, no hyphen at either end; here at most {LONGEST_NAME}."
        )
    return name


def read_stage(name: str, folder: Path = STAGES) -> Stage:
    """Return the stage *name* of *folder*; raise `Refused` with everything that is wrong with its file."""
    path = folder / f"{require_stage_name(name)}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Refused(f"no stage {name}: looked for {path}.", *_what_there_is(folder)) from None
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is not TOML: {error}.") from None
    return parse_file(name, text, str(path))


def parse_file(name: str, text: str, where: str) -> Stage:
    """Return the stage that the text of a file describes; raise `Refused` with everything that is wrong with it."""
    try:
        return parse_stage(name, tomllib.loads(text), where)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{where} is not TOML: {error}.") from None


def parse_stage(name: str, content: Mapping[str, Any], where: str) -> Stage:
    """Return the stage that *content* describes; raise `Refused` with everything that is wrong with it."""
    if "name" in content:
        raise Refused(f"{where} is no stage:", f"name: a stage is called what its file is called, here {name}.")
    try:
        return _stage.validate_python({**content, "name": name})
    except ValidationError as error:
        kind = str(content.get("kind"))
        raise Refused(f"{where} is no stage:", *_in_words(error, kind)) from None


def _what_there_is(folder: Path) -> Iterator[str]:
    stages = sorted(path.stem for path in folder.glob("*.toml"))
    yield f"The stages here: {', '.join(stages)}." if stages else "There is no stage yet."
    yield "make new_stage makes one: make new_stage STAGE=abalone KIND=serverless MODEL=abalone IMAGE=…"


def _in_words(error: ValidationError, kind: str) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        place = [str(part) for part in problem["loc"] if part != "[key]"]
        if place and place[0] == kind:
            place = place[1:]
        yield _explain(problem, kind, place)


def _explain(problem: Any, kind: str, place: list[str]) -> str:
    at = ".".join(place)
    match problem["type"]:
        case "extra_forbidden":
            return NEVER.get((kind, place[0])) or f"{at}: there is no such setting.{_perhaps(kind, place)}"
        case "union_tag_not_found":
            return f"kind is missing: one of {', '.join(KINDS)}."
        case "union_tag_invalid":
            return f"kind: {kind!r} is none of {', '.join(KINDS)}."
        case "missing":
            return f"{at} is missing."
        case "string_pattern_mismatch" if looks := _LOOKS.get(problem["ctx"]["pattern"]):
            return f"{at}: {looks} was expected, not {problem['input']!r}."
    return f"{at}: {problem['msg'].removeprefix('Input ')}, not {problem['input']!r}."


def _perhaps(kind: str, place: list[str]) -> str:
    """Return a guess at what was meant: the nearest name in the table."""
    table: type[BaseModel] | None = CLASSES[kind]
    for part in place[:-1]:
        if table and not part.isdigit():
            field = table.model_fields.get(part)
            table = _table_in(field.annotation) if field else None
    if table is None:
        return ""
    near = difflib.get_close_matches(place[-1], table.model_fields, n=1)
    names = sorted(set(table.model_fields) - {"name"} if table is CLASSES[kind] else table.model_fields)
    return f" Perhaps {near[0]} was meant?" if near else f" There are: {', '.join(names)}."


def _table_in(annotation: Any) -> type[BaseModel] | None:
    """Return the table that a field is, may be, or has several of."""
    candidates = (annotation, *get_args(annotation))
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)), None)
