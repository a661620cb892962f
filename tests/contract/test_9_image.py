"""The image as it lies in the registry: its form, its machine, its size."""

from contract.clauses import ALL, BATCH, PROFILES, SERVERLESS, clause
from contract.limits import MEGABYTE
from contract.manifests import DOCKER_MANIFEST, manifest_of
from contract.targets import image_of

MACHINES = ("linux/amd64", "linux/arm64")


@clause(
    "9.01",
    "lie in the registry as a Docker manifest, schema 2, with gzip layers; no OCI, no index",
    "Build and push with: docker buildx build --platform linux/amd64 --provenance=false --sbom=false "
    "--output type=image,name=NAME,push=true,oci-mediatypes=false,compression=gzip,force-compression=true . "
    "CreateModel refuses any other: Unsupported manifest media type.",
    required=PROFILES,
    quick=True,
)
def test_the_manifest_is_dockers(target, saw):
    """Asks the registry that the image's name names for its manifest; without one, asks the engine for its store's."""
    manifest = manifest_of(image_of(target))
    layers = f", with layers of {', '.join(sorted(manifest.other_layers))}" if manifest.other_layers else ""
    saw(f"{manifest.told_by} says: {manifest.media_type}{layers}")
    assert manifest.media_type == DOCKER_MANIFEST
    assert not manifest.other_layers


@clause(
    "9.04",
    "be built for linux/amd64, or linux/arm64 for Graviton instances; batch transform has amd64 only",
    "Build with --platform linux/amd64, on a Mac above all; a tag for each platform, since an index is refused.",
    required=PROFILES,
    quick=True,
)
def test_the_platform_is_sagemakers(target, pytestconfig, saw):
    """Reads for which system and processor the image says it was built."""
    description = image_of(target).inspect()
    built_for = f"{description['Os']}/{description['Architecture']}"
    saw(built_for)
    assert built_for in (MACHINES[:1] if pytestconfig.getoption("profile", ALL) == BATCH else MACHINES)


@clause(
    "9.05",
    "be at most 10 GB",
    "Look at the largest layers with docker history, and leave out compilers, caches and GPU libraries.",
    required=(SERVERLESS,),
    quick=True,
)
def test_the_image_is_not_too_large(target, limits, saw):
    """Reads the size that the engine gives for the image."""
    size = image_of(target).inspect()["Size"]
    saw(f"{size / MEGABYTE:.0f} MB")
    assert size <= limits.image_bytes
