"""The API of models, their packages, endpoint configurations, endpoints and jobs; all else is moto's."""

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.responses import SageMakerResponse

from aws.stand_in.checks import check_containers, check_enums, check_hostnames, check_role
from aws.stand_in.hosting import Hosting
from aws.stand_in.jobs.api import JobOperations
from aws.stand_in.packages import PackageOperations, Packages
from aws.stand_in.records import WORD, EndpointRecord, Record, arn_of
from aws.stand_in.scaling import deregister, targets_of
from aws.stand_in.transform import Transforms


class SageMaker(JobOperations, PackageOperations, SageMakerResponse):
    """The operations that moto lacks, or only pretends; each request is one object."""

    def __init__(self, hosting: Hosting, transforms: Transforms, packages: Packages):
        super().__init__()
        self.hosting = hosting
        self.transforms = transforms
        self.packages = packages

    @property
    def asked(self) -> dict[str, Any]:
        """Return the request's parameters."""
        return dict(self.params)

    @property
    def clients(self) -> Callable[[str], Any]:
        """Return clients of the request's region."""
        return self.hosting.clients.of(self.region)

    def create_model(self) -> ActionResult:
        """Take a model that could be served."""
        self.refuse_twins("Model", self.sagemaker_backend._models)
        check_hostnames(self.asked)
        check_role(self.asked["ExecutionRoleArn"], self.clients)
        check_containers(self.with_images(self.asked), self.clients)
        model = self.record("Model")
        model.asked.setdefault("EnableNetworkIsolation", False)
        self.sagemaker_backend._models[model.name] = model
        return ActionResult({"ModelArn": model.arn})

    def create_endpoint_config(self) -> ActionResult:
        """Take a configuration of one variant, of a model that there is."""
        check_enums("CreateEndpointConfig", self.asked)
        self.refuse_twins("EndpointConfig", self.sagemaker_backend.endpoint_configs)
        if len(self.asked["ProductionVariants"]) != 1:
            raise ValidationError(message="the stand-in for SageMaker serves one production variant")
        self.model_of(self.asked)
        config = self.record("EndpointConfig")
        self.sagemaker_backend.endpoint_configs[config.name] = config
        return ActionResult({"EndpointConfigArn": config.arn})

    def create_endpoint(self) -> ActionResult:
        """Begin to serve."""
        self.refuse_twins("Endpoint", self.sagemaker_backend.endpoints)
        config = self.config()
        endpoint = EndpointRecord(self.asked, self.current_account, self.region)
        self.sagemaker_backend.endpoints[endpoint.endpoint_name] = endpoint
        self.hosting.bring_up(endpoint, config, self.model_of(config))
        return ActionResult({"EndpointArn": endpoint.arn})

    def describe_endpoint(self) -> ActionResult:
        """Say what it is."""
        return ActionResult(self.endpoint().response_object)

    def update_endpoint(self) -> ActionResult:
        """Begin to serve with another configuration."""
        endpoint, config = self.endpoint(), self.config()
        if endpoint.endpoint_status == "Failed":
            raise ValidationError(message=f'Cannot update endpoint "{endpoint.arn}" with status Failed.')
        if endpoint.endpoint_status != "InService":
            raise ValidationError(message=f'Cannot update in-progress endpoint "{endpoint.arn}".')
        self.refuse_conversion(endpoint, config)
        endpoint.last_deployment_config = self._get_param("DeploymentConfig")
        model = self.model_of(config)
        if self._get_param("RetainAllVariantProperties"):
            config = retaining(config, endpoint)
        endpoint.become("Updating")
        self.hosting.bring_up(endpoint, config, model)
        return ActionResult({"EndpointArn": endpoint.arn})

    def delete_endpoint(self) -> EmptyResult:
        """Serve no longer; its scalable targets go too. What is still being made has to be waited for."""
        endpoint = self.endpoint()
        if endpoint.endpoint_status == "Creating":
            raise ValidationError(message=f'Cannot update in-progress endpoint "{endpoint.arn}".')
        del self.sagemaker_backend.endpoints[endpoint.endpoint_name]
        deregister(targets_of(endpoint.endpoint_name, self.current_account, self.region))
        self.hosting.take_down(endpoint)
        return EmptyResult()

    def create_transform_job(self) -> ActionResult:
        """Begin a job."""
        check_enums("CreateTransformJob", self.asked)
        self.refuse_twins("TransformJob", self.sagemaker_backend.transform_jobs)
        model = self.sagemaker_backend.describe_model(self._get_param("ModelName")).response_object
        answer = super().create_transform_job()
        job = self.sagemaker_backend.transform_jobs[self._get_param("TransformJobName")]
        self.transforms.begin(job, self.asked, self.with_images(model), self.region)
        return answer

    def stop_transform_job(self) -> EmptyResult:
        """End a job early."""
        name = self._get_param("TransformJobName")
        self.sagemaker_backend.describe_transform_job(name)
        self.transforms.stop(self.sagemaker_backend.transform_jobs[name])
        return EmptyResult()

    # -- what the request names

    def record(self, noun: str) -> Record:
        """Return what was asked for."""
        return Record(noun, self.asked, self.current_account, self.region)

    def refuse_twins(self, noun: str, there: dict[str, Any]) -> None:
        """Raise `ValidationError` if the name is taken."""
        name = self._get_param(f"{noun}Name")
        if name in there:
            word = WORD.get(noun, "transform-job")
            arn = f"arn:aws:sagemaker:{self.region}:{self.current_account}:{word}/{name}"
            raise ValidationError(message=f'Cannot create already existing {word.replace("-", " ")} "{arn}".')

    def config(self) -> dict[str, Any]:
        """Return the endpoint configuration."""
        return self.sagemaker_backend.describe_endpoint_config(self._get_param("EndpointConfigName"))

    def model_of(self, config: dict[str, Any]) -> dict[str, Any]:
        """Return the model of a configuration's variant."""
        name = config["ProductionVariants"][0].get("ModelName", "")
        return self.with_images(self.sagemaker_backend.describe_model(name).response_object)

    def endpoint(self) -> EndpointRecord:
        """Return the endpoint."""
        name = self._get_param("EndpointName")
        if name not in self.sagemaker_backend.endpoints:
            arn = arn_of("Endpoint", name, self.current_account, self.region)
            raise ValidationError(message=f'Could not find endpoint "{arn}".')
        return self.sagemaker_backend.endpoints[name]

    def refuse_conversion(self, endpoint: EndpointRecord, config: dict[str, Any]) -> None:
        """Raise `ValidationError` for an update that SageMaker does not make."""
        (old,), (new,) = endpoint.config["ProductionVariants"], config["ProductionVariants"]
        if ("ServerlessConfig" in old) != ("ServerlessConfig" in new):
            raise ValidationError(
                message="Updating an endpoint between instance-based and serverless variants is not supported."
            )
        unlike = [name for name in ("VariantName", "InstanceType") if old.get(name) != new.get(name)]
        if unlike and targets_of(endpoint.endpoint_name, self.current_account, self.region):
            raise ValidationError(
                message=f'The variant(s) "{old["VariantName"]}" must be deregistered as scalable targets with AWS Auto '
                "Scaling before they can be removed or have their instance type updated."
            )


def retaining(config: dict[str, Any], endpoint: EndpointRecord) -> dict[str, Any]:
    """Return the configuration with the instance count that the endpoint has now."""
    (variant,), (now,) = config["ProductionVariants"], endpoint.production_variants
    if "DesiredInstanceCount" not in now:
        return config
    return {**config, "ProductionVariants": [{**variant, "InitialInstanceCount": now["DesiredInstanceCount"]}]}
