"""What an instance type's name says of it, and which ones there are."""

import re
from functools import cache

import botocore.session

# m6g, c7gn, r8g...: the g after the generation says that the processor is Amazon's own, of the arm64 kind.
_GRAVITON = re.compile(r"ml\.(?:[a-z]+\d+[a-z]*?g[a-z]*|p6e-gb200)\.")
# The d after the generation is a local disk; these families have one without saying so.
_LOCAL_DISK = re.compile(
    r"ml\.(?:[a-z]+\d+[a-z]*d[a-z]*|g5|g6|g6e|g7|g7e|p5|p5e|p5en|p6-b200|p6-b300|p6e-gb200|dl1|trn1|trn1n|trn2)\."
)
_BURSTABLE = re.compile(r"ml\.t\d")


def architecture(name: str) -> str:
    """Return what an image is built for that runs on it: `arm64` or `amd64`."""
    return "arm64" if _GRAVITON.match(name) else "amd64"


def has_local_disk(name: str) -> bool:
    """Tell whether its disk is its own: SageMaker then takes no key for the volume."""
    return bool(_LOCAL_DISK.match(name))


def is_burstable(name: str) -> bool:
    """Tell whether its CPUs are rationed: SageMaker does not scale such."""
    return bool(_BURSTABLE.match(name))


def for_endpoints() -> frozenset[str]:
    """Return the types that an endpoint can have."""
    return _named_by("ProductionVariantInstanceType")


def for_transform_jobs() -> frozenset[str]:
    """Return the types that a transform job can have."""
    return _named_by("TransformInstanceType")


def for_processing_jobs() -> frozenset[str]:
    """Return the types that a processing job can have."""
    return _named_by("ProcessingInstanceType")


def for_training_jobs() -> frozenset[str]:
    """Return the types that a training job can have."""
    return _named_by("TrainingInstanceType")


@cache
def _named_by(shape: str) -> frozenset[str]:
    """Return the values of an enumeration of SageMaker's service model, which botocore brings along."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    return frozenset(model.shape_for(shape).enum)
