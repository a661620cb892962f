"""In which form an image lies in its registry, or would after a push."""

import json
from dataclasses import dataclass

from contract.targets import ImageTarget
from server import docker

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
GZIPPED = ("tar.gzip", "tar+gzip")
LOOPBACK = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Manifest:
    """
    What SageMaker reads first of an image.

    Attributes:
        media_type: its form.
        other_layers: the media types of layers that are not packed with gzip; where only the engine was asked, none.
        told_by: who says so.
    """

    media_type: str
    other_layers: frozenset[str]
    told_by: str


def manifest_of(image: ImageTarget) -> Manifest:
    """Return the manifest in the registry that the image's name names, or the one that the engine would push."""
    return in_registry(image.name) or in_engine(image)


def in_registry(name: str) -> Manifest | None:
    """Return the manifest in the registry; None if the name names none, or it does not have, or tell, the image."""
    registry, _, rest = name.partition("/")
    if not rest or not (registry.startswith("localhost") or "." in registry or ":" in registry):
        return None
    over_http = ("--insecure",) if registry.partition(":")[0] in LOOPBACK else ()
    asked = docker("manifest", "inspect", "--verbose", *over_http, name, check=False)
    if asked.returncode:
        return None
    found = json.loads(asked.stdout)
    if isinstance(found, list):
        return Manifest("an index of several manifests", frozenset(), f"the registry {registry}")
    content = found.get("SchemaV2Manifest") or found.get("OCIManifest") or {}
    types = {layer["mediaType"] for layer in content.get("layers", [])}
    others = frozenset(each for each in types if not each.endswith(GZIPPED))
    return Manifest(found["Descriptor"]["mediaType"], others, f"the registry {registry}")


def in_engine(image: ImageTarget) -> Manifest:
    """Return the manifest in the engine's store: a classic store has none, and pushes Docker's."""
    stored = (image.inspect().get("Descriptor") or {}).get("mediaType")
    told_by = "the engine's own store" if stored else "the engine, whose classic store pushes no other,"
    return Manifest(stored or DOCKER_MANIFEST, frozenset(), told_by)
