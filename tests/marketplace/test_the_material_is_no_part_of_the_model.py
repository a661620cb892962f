"""What is for buyers and the seller lies beside the model, and goes with it nowhere."""

import tarfile

from builders import folder
from deploy.model.archive import pack
from server import ROOT
from serving.manifest import model_files

MODEL = {
    "model.joblib": "the model",
    "marketplace/seller.toml": "mine",
    "marketplace/data/input/batch/x.json": "{}",
    "code/inference.py": "",
    "code/marketplace/prices.py": "a package of the model's own",
    "tables/marketplace/prices.bin": "a file of the model's own",
}
KEPT = {"model.joblib", "code/inference.py", "code/marketplace/prices.py", "tables/marketplace/prices.bin"}


def test_an_archive_has_the_model_and_not_the_material(tmp_path):
    said = []
    archive = pack(folder(tmp_path / "model", MODEL), tmp_path / "model.tar.gz", said.append)
    with tarfile.open(archive) as packed:
        assert {one.name for one in packed if one.isfile()} == KEPT
    assert said == ["- left out of the archive: marketplace"]


def test_a_manifest_does_not_change_with_the_material(tmp_path):
    root = folder(tmp_path / "model", MODEL)
    hashed = {path.relative_to(root).as_posix() for path in model_files(root)}
    assert hashed == {"model.joblib", "tables/marketplace/prices.bin"}


def test_an_image_is_built_without_it():
    assert "models/*/marketplace" in (ROOT / ".dockerignore").read_text().splitlines()
