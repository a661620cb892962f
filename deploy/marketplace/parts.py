"""The parts of a CreateModelPackage request that are there, whatever the shape of the rest."""

from collections.abc import Iterable
from typing import Any


def at(value: Any, *path: str) -> Any:
    """Return what lies at *path*, None if it does not."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def texts(value: Any) -> list[str]:
    """Return the texts of a list."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list | tuple) else []


def tables(value: Any) -> list[dict[str, Any]]:
    """Return the tables of a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list | tuple) else []


def containers(request: Any) -> list[dict[str, Any]]:
    """Return the containers of the inference specification."""
    return tables(at(request, "InferenceSpecification", "Containers"))


def profiles(request: Any) -> list[dict[str, Any]]:
    """Return the profiles of the validation specification."""
    return tables(at(request, "ValidationSpecification", "ValidationProfiles"))


def jobs(request: Any) -> list[Any]:
    """Return the transform jobs of the validation profiles."""
    return [at(profile, "TransformJobDefinition") for profile in profiles(request)]


def numbered(request: Any) -> Iterable[tuple[int, dict[str, Any]]]:
    """Return the containers of the inference specification, counted."""
    return enumerate(containers(request))
