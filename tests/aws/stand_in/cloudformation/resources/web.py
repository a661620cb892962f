"""AWS::Lambda::Function and Permission, AWS::ApiGatewayV2::Api, Integration, Route and Stage."""

import io
import zipfile
from typing import Any

from aws.stand_in.cloudformation.fitting import ResourceError
from aws.stand_in.cloudformation.resources.base import Handler, forgiving, without
from aws.stand_in.cloudformation.stacks import Resource

APART = ("Code", "ReservedConcurrentExecutions", "Tags")  # each has a call of its own, or another form


class Function(Handler):
    """A function whose code is in the template."""

    service, name_property = "lambda", "FunctionName"
    taggable = False  # its tags are a list here and a map there

    def make(self, resource: Resource, name: str) -> None:
        """Create it."""
        asked = without(resource.properties, "FunctionName", *APART)
        code = {"ZipFile": zipped(resource.properties["Code"]["ZipFile"])}
        made = self.clients("lambda").create_function(FunctionName=name, Code=code, **asked)
        resource.physical_id, resource.attributes = name, {"Arn": made["FunctionArn"]}
        self.reserve(name, resource.properties)

    def reserve(self, name: str, properties: dict[str, Any]) -> None:
        """Set how many requests it answers at a time."""
        asked = {"FunctionName": name, "ReservedConcurrentExecutions": properties["ReservedConcurrentExecutions"]}
        self.call("PutFunctionConcurrency", asked)

    def change(self, resource: Resource, properties: dict[str, Any]) -> None:
        """Change its settings and its code."""
        name = {"FunctionName": resource.physical_id}
        self.call("UpdateFunctionConfiguration", {**name, **without(properties, "Architectures", *APART)})
        self.clients("lambda").update_function_code(**name, ZipFile=zipped(properties["Code"]["ZipFile"]))
        self.reserve(resource.physical_id, properties)

    def remove(self, resource: Resource) -> None:
        """Delete it."""
        self.call("DeleteFunction", {"FunctionName": resource.physical_id})


def zipped(code: str) -> bytes:
    """Return the code as CloudFormation packs it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", code)
    return packed.getvalue()


class Permission(Handler):
    """Who else may call a function."""

    service = "lambda"
    taggable = False

    def make(self, resource: Resource, name: str) -> None:
        """Add it to the function's policy."""
        self.call("AddPermission", {"StatementId": name, **resource.properties})
        resource.physical_id, resource.attributes = name, {"Id": name}

    def remove(self, resource: Resource) -> None:
        """Take it away; without its function it is gone already."""
        name = {"FunctionName": resource.properties["FunctionName"], "StatementId": resource.physical_id}
        try:
            self.call("RemovePermission", name)
        except ResourceError as error:
            forgiving(error, "ResourceNotFound", "not found")


class OfAnApi(Handler):
    """A part of an API, or the API itself."""

    service = "apigatewayv2"
    taggable = False  # its tags are a map
    noun: str
    identifier: str

    def make(self, resource: Resource, name: str) -> None:
        """Create it."""
        made = self.call(f"Create{self.noun}", resource.properties)
        resource.physical_id = made[self.identifier]
        resource.attributes = {
            "Id": resource.physical_id,
            **{key: made[key] for key in ("ApiEndpoint",) if key in made},
        }

    def change(self, resource: Resource, properties: dict[str, Any]) -> None:
        """Update it; what it is tagged with is not looked at."""
        self.call(f"Update{self.noun}", {**self.named(resource), **without(properties, "ProtocolType", "Tags")})

    def remove(self, resource: Resource) -> None:
        """Delete it."""
        self.call(f"Delete{self.noun}", self.named(resource))

    def named(self, resource: Resource) -> dict[str, str]:
        """Return its name, and that of its API, as parameters."""
        api = {"ApiId": resource.properties["ApiId"]} if "ApiId" in resource.properties else {}
        return {**api, self.identifier: resource.physical_id}


class Api(OfAnApi):
    """An HTTP API."""

    noun, identifier = "Api", "ApiId"


class Integration(OfAnApi):
    """What an API calls."""

    noun, identifier = "Integration", "IntegrationId"


class Route(OfAnApi):
    """What leads to an integration."""

    noun, identifier = "Route", "RouteId"


class Stage(OfAnApi):
    """Where an API is reached."""

    noun, identifier = "Stage", "StageName"
