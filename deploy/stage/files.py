"""Read a stage's file; say in words what is wrong with it."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from deploy.errors import Refused
from deploy.stage.kinds import Stage
from deploy.stage.wording import in_words

STAGES = Path(__file__).parents[1] / "stages"
# SageMaker's rule for an endpoint's name, with room for the stack's prefix and for what is appended to it.
STAGE_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
LONGEST_NAME = 53
CLASSES: Mapping[str, type[BaseModel]] = {
    get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in get_args(Stage)
}
KINDS = tuple(CLASSES)

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
    match error.errors(include_url=False)[0]["type"]:
        case "union_tag_not_found":
            yield f"kind is missing: one of {', '.join(KINDS)}."
        case "union_tag_invalid":
            yield f"kind: {kind!r} is none of {', '.join(KINDS)}."
        case _:
            yield from in_words(error, CLASSES.get(kind), kind)
