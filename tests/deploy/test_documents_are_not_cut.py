"""A transform job that splits files into lines is not given JSON that goes over several: it would get pieces."""

import json
from pathlib import Path

import pytest

from builders import folder
from deploy.call.documents import require_on_lines
from deploy.call.transform import planned
from deploy.errors import Refused
from deploy.stage.files import parse_stage
from sample_jobs import BUCKET, IMAGE, NOW

DOCUMENT = {"instances": ["Review sentence #1.", "Review sentence #2."]}
LINE = json.dumps(DOCUMENT) + "\n"


def stage_of(**batch):
    known = {"kind": "batch", "owner": "me", "image": IMAGE, "instance": {"type": "ml.m5.large"}}
    return parse_stage("reviews", {**known, "batch": {"content_type": "application/json", **batch}}, "reviews.toml")


@pytest.mark.parametrize(
    "content", [json.dumps(DOCUMENT, indent=2), json.dumps(DOCUMENT, indent=2) + "\n" + LINE, "no"]
)
def test_a_document_over_several_lines_is_refused_as_the_introductions_sample_is(tmp_path, content):
    rows = folder(tmp_path / "rows", {"a.json": LINE, "deep/b.json": content})
    with pytest.raises(Refused) as caught:
        planned(stage_of(), "m", BUCKET, NOW, rows)
    assert caught.value.lines == (
        f"{rows}/deep/b.json is JSON over several lines, and each line would be a request: SageMaker cuts it there.",
        "Write each document on a line of its own: jq --compact-output . FILE",
        'Or send each file as one request: in the stage\'s file, [batch], split = "None".',
    )


@pytest.mark.parametrize("content", [LINE, LINE + LINE, LINE.strip(), "[1, 2]\n", ""])
def test_documents_on_lines_are_sent(tmp_path, content):
    rows = folder(tmp_path, {"a.json": content, ".hidden": "{"})
    assert planned(stage_of(), "m", BUCKET, NOW, rows)["TransformInput"]["SplitType"] == "Line"


def test_where_nothing_is_cut_or_it_is_not_json_nothing_is_looked_at():
    for batch in ({"split": "None"}, {"content_type": "text/csv"}, {"content_type": "application/jsonlines"}):
        require_on_lines(stage_of(**batch), Path("/nonexistent"))


def test_what_cannot_be_read_as_text_is_the_containers_business(tmp_path):
    rows = tmp_path / "rows"
    rows.mkdir()
    (rows / "a.json").write_bytes(b'{"instances": ["caf\xe9"]}\n')
    planned(stage_of(), "m", BUCKET, NOW, rows)


def test_a_single_file_is_looked_at(tmp_path):
    rows = folder(tmp_path, {"a.json": "{\n}"}) / "a.json"
    with pytest.raises(Refused):
        require_on_lines(stage_of(), rows)
