"""What SageMaker refuses at once, in its own words."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError
from botocore.model import Shape
from moto.core.utils import get_service_model
from moto.sagemaker.exceptions import ValidationError

from aws.stand_in import images

SERVICE = "sagemaker.amazonaws.com"


def check_enums(operation: str, asked: dict[str, Any]) -> None:
    """Raise `ValidationError` for a value that the service model does not list, an instance type above all."""
    shape = get_service_model("sagemaker").operation_model(operation).input_shape
    if wrong := next(wrong_enums(asked, shape, ""), None):
        raise ValidationError(message=f"1 validation error detected: {wrong}")


def wrong_enums(value: Any, shape: Shape, where: str) -> Any:
    """Yield a sentence for every value outside of its set."""
    if shape.type_name == "structure":
        for name, item in value.items():
            if name in shape.members:
                path = f"{where}.{name[0].lower()}{name[1:]}".strip(".")
                yield from wrong_enums(item, shape.members[name], path)
    elif shape.type_name == "list":
        for number, item in enumerate(value, 1):
            yield from wrong_enums(item, shape.member, f"{where}.{number}.member")
    elif (allowed := getattr(shape, "enum", None)) and value not in allowed:
        yield (
            f"Value '{value}' at '{where}' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{', '.join(allowed)}]"
        )


def check_role(arn: str, clients: Callable[[str], Any]) -> None:
    """Raise `ValidationError` unless SageMaker may assume the role."""
    try:
        role = clients("iam").get_role(RoleName=arn.rpartition("/")[2])["Role"]
        trust = role["AssumeRolePolicyDocument"]
        trust = trust if isinstance(trust, dict) else json.loads(unquote(trust))
    except ClientError:
        trust = {}
    if SERVICE not in json.dumps(trust):
        raise ValidationError(
            message=f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
            f"'{SERVICE}' to assume the role."
        )


def check_containers(asked: dict[str, Any], clients: Callable[[str], Any]) -> None:
    """Raise `ValidationError` for an image or a model that cannot be had."""
    definitions = asked.get("Containers") or [asked.get("PrimaryContainer")]
    for definition in definitions:
        if not definition or "Image" not in definition:
            raise ValidationError(
                message="the stand-in for SageMaker serves containers that name an Image, and no others"
            )
        try:
            images.check(definition["Image"], clients)
        except images.ImageRefused as error:
            raise ValidationError(message=str(error)) from error
        check_model_data(definition.get("ModelDataUrl"), asked["ExecutionRoleArn"], clients)


def check_model_data(url: str | None, role: str, clients: Callable[[str], Any]) -> None:
    """Raise `ValidationError` if the archive is not there."""
    if not url:
        return
    bucket, _, key = url.removeprefix("s3://").partition("/")
    try:
        clients("s3").head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        raise ValidationError(
            message=f'Could not access model data at {url}. Please ensure that the role "{role}" exists and that its '
            'trust relationship policy allows the action "sts:AssumeRole" for the service principal '
            f'"{SERVICE}". Also ensure that the role has "s3:GetObject" permissions and that the object is located in '
            f"{clients('s3').meta.region_name}."
        ) from error


def check_hostnames(asked: dict[str, Any]) -> None:
    """Raise `ValidationError` if only some containers of a pipeline have a name."""
    named = {"ContainerHostname" in definition for definition in asked.get("Containers") or []}
    if len(named) > 1:
        raise ValidationError(message="ContainerHostname must be specified for all containers or for none of them.")
