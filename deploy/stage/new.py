"""Write the file of a new stage: its kind's skeleton in `deploy/kinds`, filled in."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from deploy.errors import Refused
from deploy.stage.files import KINDS, STAGES, parse_file, require_stage_name
from deploy.stage.measure import measure, start_up_seconds

SKELETONS = Path(__file__).parents[1] / "kinds"
MODELS = Path(__file__).parents[2] / "models"
NOT_MEASURED = 300  # s, SageMaker's examples give as much
PIPELINE = "pipeline"


@dataclass(frozen=True)
class NewStage:
    """
    What is asked of the person who makes a stage.

    Attributes:
        name: of the stage, and of its endpoint.
        kind: one of `KINDS`.
        images: one, or for a pipeline one for each model.
        models: folders of models/, paths, or archives in S3; none if the model is in the image.
        owner: who to ask about it, for the tags.
    """

    name: str
    kind: str
    images: Sequence[str]
    models: Sequence[str]
    owner: str


def write_stage(new: NewStage, folder: Path = STAGES, measure: Callable[[Path], float] = measure) -> Path:
    """Write the stage's file and return its path; raise `Refused` if there is one, or if it could not be deployed."""
    require_sense(new)
    path = folder / f"{require_stage_name(new.name)}.toml"
    if path.exists():
        raise Refused(f"{path} is there already.", "Edit it, or choose another name; an update is an edited file.")
    text = render(new, measure)
    parse_file(new.name, text, str(path))
    folder.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def require_sense(new: NewStage) -> None:
    """Raise `Refused` unless the kind is one, and has as many images and models as it takes."""
    if not new.kind:
        raise Refused(f"No kind was named: KIND=… is one of {', '.join(KINDS)}.")
    if new.kind not in KINDS:
        raise Refused(f"kind: {new.kind!r} is none of {', '.join(KINDS)}.")
    if not new.images:
        raise Refused("No image was named: IMAGE=… is what ./build_and_push.sh NAME prints.")
    if new.kind == PIPELINE:
        if max(len(new.images), len(new.models)) < 2:
            raise Refused('A pipeline has two containers or more: MODEL="first second", or as many images.')
        if len(new.images) > 1 and new.models and len(new.images) != len(new.models):
            raise Refused(f"{len(new.images)} images for {len(new.models)} models: name one for all, or one for each.")
    elif len(new.images) > 1 or len(new.models) > 1:
        raise Refused(f"{new.kind} has one image and one model; several are a pipeline: KIND=pipeline.")


def render(new: NewStage, measure: Callable[[Path], float]) -> str:
    """Return the text of the stage's file."""
    measured = [measure(folder) for folder in map(model_folder, new.models) if folder]
    skeleton = Template((SKELETONS / f"{new.kind}.toml").read_text(encoding="utf-8"))
    return skeleton.substitute(
        name=new.name,
        owner=new.owner,
        region=region_line(new.images[0]),
        image=f"image = {json.dumps(new.images[0])}",
        model=model_line(new.models[0] if new.models else None),
        containers=containers(new),
        measured=(
            f"Loading the model and answering its samples took {max(measured):.1f} s on the machine that wrote this."
            if measured
            else "How long the start takes was not measured: the model is not a folder here."
        ),
        start_up_seconds=start_up_seconds(max(measured)) if measured else NOT_MEASURED,
    )


def region_line(image: str) -> str:
    """Return the line with the Region, which an image's address has: SageMaker takes images of its own alone."""
    found = re.search(r"\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.", image)
    return f'region = "{found[1]}"' if found else '# region = "eu-west-1"   # default: that of the environment'


def containers(new: NewStage) -> str:
    """Return the tables of a pipeline's containers, each named after its model."""
    number = max(len(new.images), len(new.models))
    images = [*new.images] * number if len(new.images) == 1 else new.images
    models: Sequence[str | None] = [*new.models] or [None] * number
    return "\n\n".join(
        f"[[containers]]\n"
        f"name = {json.dumps(container_name(model, place, alone=models.count(model) == 1))}\n"
        f"image = {json.dumps(image)}\n"
        f"{model_line(model)}"
        for place, (image, model) in enumerate(zip(images, models, strict=True), start=1)
    )


def container_name(model: str | None, place: int, *, alone: bool) -> str:
    """Return a name that SageMaker takes: the model folder's, without underscores, or the place in the pipeline."""
    folder = model_folder(model) if model else None
    return folder.name.replace("_", "-") if folder and alone else f"container-{place}"


def model_line(model: str | None) -> str:
    """Return the line that says where the model is."""
    if model is None:
        return '# model = "models/…"   # it is in the image'
    folder = model_folder(model)
    if folder is None:
        return f"model = {json.dumps(model)}"
    path = folder.relative_to(MODELS.parent) if folder.is_relative_to(MODELS.parent) else folder
    return f"model = {json.dumps(str(path))}   # a folder: archived and uploaded"


def model_folder(model: str) -> Path | None:
    """Return the folder that *model* names, in models/ or as a path; None if it is an address in S3."""
    if model.startswith("s3://"):
        return None
    for folder in (MODELS / model, MODELS.parent / model, Path(model)):
        if folder.is_dir():
            return folder.resolve()
    raise Refused(f"no model folder: looked for models/{model} and for {model}.")
