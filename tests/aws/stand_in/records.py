"""Models, endpoint configurations and endpoints: what was asked for, as describing them answers it."""

from datetime import datetime
from typing import Any

from moto.core.utils import utcnow

WORD = {"Model": "model", "EndpointConfig": "endpoint-config", "Endpoint": "endpoint"}


def arn_of(noun: str, name: str, account: str, region: str) -> str:
    """Return the ARN of a model, an endpoint configuration or an endpoint."""
    return f"arn:aws:sagemaker:{region}:{account}:{WORD[noun]}/{name}"


class Record:
    """A model or an endpoint configuration; it lies where moto keeps its own, which lists, tags and deletes it."""

    def __init__(self, noun: str, asked: dict[str, Any], account: str, region: str):
        self.asked = {name: value for name, value in asked.items() if name != "Tags"}
        self.tags: list[dict[str, str]] = asked.get("Tags") or []
        self.name: str = asked[f"{noun}Name"]
        self.model_name = self.endpoint_config_name = self.name
        self.arn = arn_of(noun, self.name, account, region)
        self.noun = noun
        self.creation_time: datetime = utcnow()

    @property
    def response_object(self) -> dict[str, Any]:
        """Return the answer to Describe."""
        return {**self.asked, f"{self.noun}Arn": self.arn, "CreationTime": self.creation_time}

    def summary(self) -> dict[str, Any]:
        """Return the entry in a list."""
        return self.response_object


class EndpointRecord:
    """An endpoint and its status; `pending` is the configuration that it is being given."""

    def __init__(self, asked: dict[str, Any], account: str, region: str):
        self.endpoint_name: str = asked["EndpointName"]
        self.tags: list[dict[str, str]] = asked.get("Tags") or []
        self.arn = arn_of("Endpoint", self.endpoint_name, account, region)
        self.region = region
        self.endpoint_status = "Creating"
        self.failure_reason: str | None = None
        self.config: dict[str, Any] = {}
        self.pending: dict[str, Any] | None = None
        self.production_variants: list[dict[str, Any]] = []
        self.last_deployment_config: dict[str, Any] | None = asked.get("DeploymentConfig")
        self.creation_time: datetime = utcnow()
        self.last_modified_time = self.creation_time
        self.is_deleted = False

    @property
    def endpoint_config_name(self) -> str:
        """Return the name of the configuration in service, or of the first one."""
        return str((self.config or self.pending or {})["EndpointConfigName"])

    def become(self, status: str, failure: str | None = None) -> None:
        """Change the status."""
        self.endpoint_status, self.failure_reason, self.last_modified_time = status, failure, utcnow()

    def take_over(self, config: dict[str, Any], images: list[dict[str, str]]) -> None:
        """Serve with a configuration from now on."""
        self.config, self.pending = config, None
        self.production_variants = [described(variant, images) for variant in config["ProductionVariants"]]

    def summary(self) -> dict[str, Any]:
        """Return the entry in a list."""
        return {
            "EndpointName": self.endpoint_name,
            "EndpointArn": self.arn,
            "CreationTime": self.creation_time,
            "LastModifiedTime": self.last_modified_time,
            "EndpointStatus": self.endpoint_status,
        }

    @property
    def response_object(self) -> dict[str, Any]:
        """Return the answer to Describe."""
        about = {
            **self.summary(),
            "EndpointConfigName": self.endpoint_config_name,
            "ProductionVariants": self.production_variants or None,
            "FailureReason": self.failure_reason,
            "LastDeploymentConfig": self.last_deployment_config,
            "AsyncInferenceConfig": self.config.get("AsyncInferenceConfig"),
        }
        if capture := self.config.get("DataCaptureConfig"):
            about["DataCaptureConfig"] = {
                "EnableCapture": capture.get("EnableCapture", False),
                "CaptureStatus": "Started" if capture.get("EnableCapture") else "Stopped",
                "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
                "DestinationS3Uri": capture["DestinationS3Uri"],
            }
        if self.pending and self.endpoint_status == "Updating":
            about["PendingDeploymentSummary"] = {"EndpointConfigName": self.pending["EndpointConfigName"]}
        return {name: value for name, value in about.items() if value is not None}


def described(variant: dict[str, Any], images: list[dict[str, str]]) -> dict[str, Any]:
    """Return a variant as DescribeEndpoint has it."""
    weight, count = variant.get("InitialVariantWeight", 1.0), variant.get("InitialInstanceCount")
    about: dict[str, Any] = {
        "VariantName": variant["VariantName"],
        "DeployedImages": [{**image, "ResolutionTime": utcnow()} for image in images],
        "CurrentWeight": weight,
        "DesiredWeight": weight,
    }
    if count is not None:
        about |= {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
    if "ServerlessConfig" in variant:
        about |= {"CurrentServerlessConfig": variant["ServerlessConfig"]}
    return about
