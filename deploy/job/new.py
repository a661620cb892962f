"""Write the file of a new job: the skeleton beside this module, filled in."""

import json
from dataclasses import dataclass
from pathlib import Path
from string import Template

from deploy.errors import Refused
from deploy.job.files import JOBS, parse_file, require_job_name
from deploy.stage.new import MODELS, model_folder, region_line

SKELETON = Path(__file__).with_name("skeleton.toml")


@dataclass(frozen=True)
class NewJob:
    """What is asked of the person who makes a job: its name, an image, a model folder, and whom to ask about it."""

    name: str
    image: str
    model: str
    owner: str


def write_job(new: NewJob, folder: Path = JOBS) -> Path:
    """Write the job's file and return its path; raise `Refused` if there is one, or if it could not be run."""
    path = folder / f"{require_job_name(new.name)}.toml"
    if path.exists():
        raise Refused(f"{path} is there already.", "Edit it, or choose another name.")
    text = render(new)
    parse_file(new.name, text, str(path))
    folder.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def render(new: NewJob) -> str:
    """Return the text of the job's file; raise `Refused` unless there is a model folder, and an image is named."""
    if not new.image:
        raise Refused("No image was named: IMAGE=… is what ./build_and_push.sh NAME prints.")
    folder = model_folder(new.model) if new.model else None
    if folder is None:
        raise Refused("No model folder was named: MODEL=… has the programs, preprocess.py and code/train.py.")
    path = folder.relative_to(MODELS.parent) if folder.is_relative_to(MODELS.parent) else folder
    return Template(SKELETON.read_text(encoding="utf-8")).substitute(
        name=new.name,
        owner=new.owner,
        region=region_line(new.image),
        image=json.dumps(new.image),
        model=json.dumps(str(path)),
    )
