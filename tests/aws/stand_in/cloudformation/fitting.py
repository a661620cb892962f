"""A template's properties as parameters of an API call: text becomes what the service model asks for."""

from collections.abc import Mapping
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import Shape

from aws.stand_in.cloudformation.parameters import text


class ResourceError(Exception):
    """A resource could not be made, changed or removed; the message is the event's reason."""


def call(client: Any, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Call an operation with properties; raise `ResourceError` with what the service said."""
    shape = client.meta.service_model.operation_model(operation).input_shape
    try:
        return getattr(client, xform_name(operation))(**fitted(parameters, shape, "#"))
    except ClientError as error:
        about = error.response["Error"]
        raise ResourceError(
            f'Resource handler returned message: "{about["Message"]} (Service: {client.meta.service_model.service_id}, '
            f'Status Code: {error.response["ResponseMetadata"]["HTTPStatusCode"]})" (HandlerErrorCode: {about["Code"]})'
        ) from error
    except BotoCoreError as error:
        raise ResourceError(
            f'Resource handler returned message: "{error}" (HandlerErrorCode: InvalidRequest)'
        ) from error


def fitted(value: Any, shape: Shape, where: str) -> Any:
    """Return the value in the types of the shape; raise `ResourceError` for what has no place there."""
    kind = shape.type_name
    if kind == "structure":
        expect(isinstance(value, dict), where, "JSONObject", value)
        if strange := sorted(set(value) - set(shape.members)):
            raise ResourceError(
                f"Properties validation failed: {where}: extraneous key [{strange[0]}] is not permitted"
            )
        return {name: fitted(item, shape.members[name], f"{where}/{name}") for name, item in value.items()}
    if kind == "list":
        expect(isinstance(value, list), where, "JSONArray", value)
        return [fitted(item, shape.member, f"{where}/{index}") for index, item in enumerate(value)]
    if kind == "map":
        expect(isinstance(value, dict), where, "JSONObject", value)
        return {text(name): fitted(item, shape.value, f"{where}/{name}") for name, item in value.items()}
    return scalar(value, kind, where)


def scalar(value: Any, kind: str, where: str) -> Any:
    """Return a number, a truth or a text."""
    expect(not isinstance(value, dict | list), where, kind, value)
    readers = {
        "integer": int,
        "long": int,
        "float": float,
        "double": float,
        "boolean": {"true": True, "false": False}.get,
    }
    try:
        found = readers.get(kind, str)(text(value))
    except ValueError:
        found = None
    expect(found is not None, where, kind, value)
    return found


def expect(condition: bool, where: str, kind: str, value: Any) -> None:
    """Raise `ResourceError` unless the condition holds."""
    if not condition:
        raise ResourceError(f"Properties validation failed: {where}: expected type: {kind}, found: {value!r}")
