"""What SageMaker refuses of a job at once, in its own words."""

import re
from collections.abc import Callable
from typing import Any

from botocore.model import Shape
from botocore.validate import ParamValidator
from moto.core.utils import get_service_model
from moto.sagemaker.exceptions import ValidationError

from aws.stand_in import images
from aws.stand_in.checks import check_enums, check_role


def check_job(operation: str, asked: dict[str, Any], image: str | None, clients: Callable[[str], Any]) -> None:
    """Raise `ValidationError` for what cannot be run."""
    check_enums(operation, asked)
    shape = get_service_model("sagemaker").operation_model(operation).input_shape
    if report := ParamValidator().validate(asked, shape).generate_report():
        raise ValidationError(message=report)
    if wrong := next(out_of_bounds(asked, shape, ""), None):
        raise ValidationError(message=f"1 validation error detected: {wrong}")
    check_role(asked["RoleArn"], clients)
    if not image:
        raise ValidationError(message="the stand-in for SageMaker trains with a TrainingImage, and with nothing else")
    try:
        images.check(image, clients)
    except images.ImageRefused as error:
        raise ValidationError(message=str(error)) from error


def out_of_bounds(value: Any, shape: Shape, where: str) -> Any:
    """Yield a sentence for every text that does not look as it must, or is too long, and every number too large."""
    if shape.type_name == "structure":
        for name, item in value.items():
            yield from out_of_bounds(item, shape.members[name], f"{where}.{name[0].lower()}{name[1:]}".strip("."))
    elif shape.type_name == "map":
        for name, item in value.items():
            yield from out_of_bounds(item, shape.value, f"{where}.{name}.member")
    elif shape.type_name == "list":
        for number, item in enumerate(value, 1):
            yield from out_of_bounds(item, shape.member, f"{where}.{number}.member")
    elif fault := fault_of(value, shape):
        yield f"Value '{value}' at '{where}' failed to satisfy constraint: {fault}"


def fault_of(value: Any, shape: Shape) -> str | None:
    """Return what is wrong with a plain value."""
    size = len(value) if isinstance(value, str) else value
    if "max" in shape.metadata and size > shape.metadata["max"]:
        return f"Member must have {unit(value)} less than or equal to {shape.metadata['max']}"
    pattern = shape.metadata.get("pattern", "")
    # Java's classes of characters are none of Python's.
    if isinstance(value, str) and pattern and r"\p{" not in pattern and not re.fullmatch(pattern, value):
        return f"Member must satisfy regular expression pattern: {pattern}"
    return None


def unit(value: Any) -> str:
    """Return what of a value has bounds."""
    return "length" if isinstance(value, str) else "value"
