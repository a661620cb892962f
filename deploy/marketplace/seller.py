"""What a seller decides: `marketplace/seller.toml` in the model's folder, read and checked."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from deploy.errors import Refused
from deploy.stage import patterns
from deploy.stage.kinds import Environment, Table

FOLDER = "marketplace"
FILE = "seller.toml"
LONGEST_NAME = 50  # SageMaker takes 63; the digest of the request is appended

Texts = Annotated[list[str], Field(min_length=1)]
AnyTable = TypeVar("AnyTable", bound=BaseModel)


class Validation(Table):
    """The transform job by which SageMaker tries the package: `split` is Line for a document on each line."""

    instance: str
    content_type: str
    split: Literal["None", "Line"] = "None"
    max_concurrent: int = Field(default=1, ge=1)
    max_payload_mb: int = Field(default=6, ge=1)


class Seller(Table):
    """
    The product, as CreateModelPackage wants to know it.

    Attributes:
        name: of the product; a package is called this and a digest of its request.
        role: what SageMaker validates as: a role's name in the image's account, or an ARN.
        bucket: for the sample that validation reads, and for its answers; None: SageMaker's default one.
        content_types: that requests may have.
        response_types: that answers may have.
    """

    name: str = Field(pattern=patterns.NAME, max_length=LONGEST_NAME)
    description: str = Field(min_length=1)
    role: str = Field(min_length=1)
    bucket: str | None = Field(default=None, pattern=patterns.BUCKET)
    content_types: Texts
    response_types: Texts
    real_time_instances: Texts
    transform_instances: Texts
    environment: Environment = Field(default={})
    validation: Validation


def read_seller(model: Path) -> Seller:
    """Return the seller's file of a model folder; raise `Refused` with everything that is wrong with it."""
    return read_table(model / FOLDER / FILE, Seller)


def read_table(path: Path, kind: type[AnyTable]) -> AnyTable:
    """Return the TOML file at *path*; raise `Refused` with everything that is wrong with it."""
    try:
        return kind.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise Refused(
            f"There is no {path}: a model that is to be sold has one.",
            "models/turkish_sentiment/marketplace has one to begin with; docs/marketplace.md says what goes where.",
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Refused(f"{path} is not TOML: {error}.") from None
    except ValidationError as error:
        raise Refused(f"{path} cannot be used:", *_in_words(error)) from None


def _in_words(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        yield _explain(problem, ".".join(map(str, problem["loc"])))


def _explain(problem: Any, at: str) -> str:
    match problem["type"]:
        case "missing":
            return f"{at} is missing."
        case "extra_forbidden":
            return f"{at}: there is no such setting."
    return f"{at}: {problem['msg'].removeprefix('Input ')}, not {problem['input']!r}."
