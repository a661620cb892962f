"""Application Auto Scaling of SageMaker's variants: what moto does not know of them."""

import json
from typing import Any

from moto.applicationautoscaling.models import FakeScalableTarget, applicationautoscaling_backends
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.core.exceptions import JsonRESTError
from moto.sagemaker.models import sagemaker_backends


class NotFound(JsonRESTError):
    """There is no such target or policy."""

    def __init__(self, message: str):
        super().__init__("ObjectNotFoundException", message)


class Refused(JsonRESTError):
    """The request makes no sense."""

    def __init__(self, message: str):
        super().__init__("ValidationException", message)


class AutoScaling(ApplicationAutoScalingResponse):
    """The operations; each request is one object."""

    def _validate_params(self) -> None:
        """Take SageMaker's dimensions, of which moto knows one."""
        if not (self._get_param("ScalableDimension") or "").startswith("sagemaker:"):
            super()._validate_params()

    def register_scalable_target(self) -> str:
        """Register a variant that there is."""
        named = [self._get_param(name) for name in ("ServiceNamespace", "ResourceId", "ScalableDimension")]
        namespace, resource, dimension = named
        if namespace != "sagemaker":
            return super().register_scalable_target()
        self.require_variant(resource)
        capacities = (self._get_int_param("MinCapacity"), self._get_int_param("MaxCapacity"))
        more = (self._get_param("RoleARN"), self._get_param("SuspendedState"))
        targets = self.applicationautoscaling_backend.targets.setdefault(dimension, {})
        if resource in targets:
            targets[resource].update(*capacities, more[1])
        else:
            backend = self.applicationautoscaling_backend
            targets[resource] = FakeScalableTarget(backend, namespace, resource, dimension, *capacities, *more)
        return json.dumps({"ScalableTargetARN": targets[resource].arn})

    def require_variant(self, resource: str) -> None:
        """Raise `Refused` if there is no such endpoint, or no such variant of it."""
        name, variant = resource.split("/")[1::2]
        endpoint = sagemaker_backends[self.current_account][self.region].endpoints.get(name)
        if endpoint is None or variant not in [known["VariantName"] for known in endpoint.production_variants]:
            raise Refused(f"Could not find variant {variant} of endpoint {name}: {resource} is no scalable target.")

    def deregister_scalable_target(self) -> str:
        """Deregister a target, and its policies with it."""
        resource, dimension = self._get_param("ResourceId"), self._get_param("ScalableDimension")
        target = self.applicationautoscaling_backend.targets.get(dimension, {}).get(resource)
        if target is None:
            raise NotFound(
                f"No scalable target found for service namespace: {self._get_param('ServiceNamespace')}, "
                f"resource ID: {resource}, scalable dimension: {dimension}"
            )
        deregister([target])
        return json.dumps({})

    def delete_scaling_policy(self) -> str:
        """Delete a policy that there is."""
        named = {name: self._get_param(name) for name in ("PolicyName", "ResourceId", "ScalableDimension")}
        policies = self.applicationautoscaling_backend.policies.values()
        if not any(
            (policy.policy_name, policy.resource_id, policy.scalable_dimension) == tuple(named.values())
            for policy in policies
        ):
            raise NotFound(f"No scaling policy found for {named}")
        return super().delete_scaling_policy()

    def list_tags_for_resource(self) -> str:
        """Say that there are none: moto keeps none."""
        return json.dumps({"Tags": {}})


def targets_of(endpoint: str, account: str, region: str) -> list[Any]:
    """Return the scalable targets of an endpoint."""
    backend = applicationautoscaling_backends[account][region]
    prefix = f"endpoint/{endpoint}/"
    return [one for few in backend.targets.values() for name, one in few.items() if name.startswith(prefix)]


def deregister(targets: list[Any]) -> None:
    """Forget targets, and the policies of each."""
    for target in targets:
        backend = target.applicationautoscaling_backend
        place = (target.resource_id, target.scalable_dimension)
        del backend.targets[target.scalable_dimension][target.resource_id]
        for key, policy in list(backend.policies.items()):
            if (policy.resource_id, policy.scalable_dimension) == place:
                del backend.policies[key]
