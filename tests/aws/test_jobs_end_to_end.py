"""From a data set to answers, with the real image: process, train, deploy, invoke, transform, destroy."""

import json
import re
import time
from functools import cache
from pathlib import Path

import pytest

from builders import folder
from deploy.call import transform
from deploy.call.calling import Caller, Request
from deploy.call.invoke import invoke
from deploy.call.transform_job import Job, run
from deploy.errors import Refused
from deploy.facts import Account, Archive, Facts, Image
from deploy.job import history
from deploy.job.desk import Desk
from deploy.job.files import parse_job
from deploy.progress import CLOCK, Clock
from deploy.s3 import find
from deploy.stack import deploying
from deploy.stack.stack import Stack
from deploy.stage.files import parse_stage

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]  # the image may have to be built first

ACCOUNT = Account("123456789012", "aws", "us-east-1")
BUCKET = "reviews-of-toys"
QUICK = Clock(sleep=lambda _: time.sleep(0.2))
IN_ECR = "byoc:1"  # what the files say; what runs is the image of this checkout
GOOD, BAD = "This toy is sturdy and my son loves it. Worth every penny", "Awful. Broke at once. Waste of money"


class Person:
    """Somebody who trains a model and deploys it; AWS is the stand-in."""

    def __init__(self, aws, image: str):
        self.client = cache(aws.client)
        self.image = Image(image, "", "amd64", 0)
        self.said: list[str] = []
        self.client("s3").create_bucket(Bucket=BUCKET)

    def desk(self, **settings) -> Desk:
        content = {"owner": "me", "image": IN_ECR, "model": "models/review_classifier", **settings}
        facts = Facts(ACCOUNT, BUCKET, [self.image], [None])
        return Desk(parse_job("toys", content, "toys.toml"), self, facts, say=self.said.append, clock=QUICK)

    def stack(self, name: str) -> Stack:
        return Stack(self.client("cloudformation"), name, self.said.append, QUICK)

    def stage(self, name: str, kind: str, model: str, **settings):
        machine = {"instance": {"type": "ml.m5.large"}}
        known = {"owner": "me", "image": IN_ECR, "model": model, **machine, **settings}
        return parse_stage(name, {"kind": kind, **known}, f"{name}.toml")

    def deploy(self, stage) -> Stack:
        archive = find(self.client("s3"), stage.model)
        facts = Facts(ACCOUNT, BUCKET, [self.image], [Archive(archive.url, archive.size)])
        deploying.deploy(stage, facts, self.stack(stage.name), self.client)
        return self.stack(stage.name)

    def destroy(self, stage) -> str:
        return deploying.destroy(stage, ACCOUNT, BUCKET, self.stack(stage.name), self.client)


@pytest.fixture(scope="module")
def person(aws, image) -> Person:
    return Person(aws, image)


@pytest.fixture(scope="module")
def reviews(tmp_path_factory) -> Path:
    """A data set as the introduction's: most voted one sort of reviews helpful, and the other not."""
    records = [
        {"reviewText": f"{text} {word}", "helpful": votes, "overall": 5.0}
        for word in ("teddy", "puzzle", "kite", "drum", "ball", "train", "doll", "robot", "yo-yo", "blocks")
        for text, votes in ((GOOD, [9, 10]), (BAD, [1, 10]), ("Nobody could say", [2, 4]))
    ]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    return folder(tmp_path_factory.mktemp("data"), {"reviews_Toys_and_Games_5.json": lines}) / (
        "reviews_Toys_and_Games_5.json"
    )


def test_from_a_data_set_to_an_endpoint_a_batch_and_back_to_nothing(person, reviews, tmp_path):
    desk = person.desk(
        train={
            "hyperparameters": {"epochs": 5, "min_count": 1},
            "metrics": {"validation:accuracy": "#validation_accuracy: ([0-9.]+)"},
        }
    )

    # Processed: sentences, in two folders of S3.
    processed = desk.process(str(reviews))
    assert re.fullmatch(rf"s3://{BUCKET}/jobs/toys/processed/toys-process-\d{{8}}-\d{{6}}", processed)
    names = {
        one["Key"].partition("/processed/")[2].partition("/")[2] for one in there_is(person, "jobs/toys/processed")
    }
    assert names == {"train/train.txt", "validation/validation.txt"}

    # Trained: an archive that a stage can name.
    model = desk.train(processed)
    assert re.fullmatch(rf"s3://{BUCKET}/jobs/toys/trained/toys-train-\d{{8}}-\d{{6}}/output/model.tar.gz", model)
    assert "- validation:accuracy = 1" in person.said
    assert any(line.startswith("- billed: ") and line.endswith(" s of 1 x ml.m5.large") for line in person.said)
    assert [line for line in person.said if "Training, Training" in line or "InProgress, Training: " in line]

    # Looked at.
    report = history.report(desk.job, person.client("sagemaker"))
    assert report.exit_code == 0
    assert [line.split()[1] for line in report.text.splitlines() if line.startswith("  toys-")] == ["Completed"] * 2

    # Deployed, and asked.
    stage = person.stage("toys", "instance", model)
    person.deploy(stage)
    body = json.dumps({"instances": ["Worth every penny", "Waste of money"]}).encode()
    answer = invoke(
        Caller(person.client, BUCKET, 60, person.said.append, QUICK), stage, Request(body, "application/json")
    )
    assert [one["label"] for one in json.loads(answer)] == [["__label__1"], ["__label__2"]]

    # A batch: one document a line in, one a line out.
    batch = person.stage("toys-batch", "batch", model, batch={"content_type": "application/json"})
    outputs = person.deploy(batch).outputs()
    rows = folder(tmp_path / "rows", {"documents.json": body + b"\n" + body + b"\n"})
    request = transform.planned(batch, outputs["ModelName"], BUCKET, CLOCK.now(), rows)
    run(Job(person.client("sagemaker"), person.client("s3"), request, rows, tmp_path / "answers", print, QUICK))
    lines = (tmp_path / "answers" / "documents.json.out").read_text().splitlines()
    assert [[one["label"] for one in json.loads(line)] for line in lines] == [[["__label__1"], ["__label__2"]]] * 2

    # Destroyed.
    assert person.destroy(stage).startswith("toys is gone.")
    assert person.destroy(batch).startswith("toys-batch is gone.")
    assert desk.stack().delete()
    roles = [role["RoleName"] for role in person.client("iam").list_roles()["Roles"]]
    assert [name for name in roles if name.startswith(("byoc-toys", "byocjob-toys"))] == []


def there_is(person: Person, prefix: str) -> list[dict]:
    return person.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]


def test_data_that_is_none_fails_the_job_with_a_reason_a_last_word_and_the_log(person, tmp_path):
    bad = folder(tmp_path, {"bad.json": "no reviews\n"}) / "bad.json"
    with pytest.raises(Refused) as caught:
        person.desk().process(str(bad))
    first, whose, word, log = caught.value.lines
    assert re.fullmatch(
        r"The processing job toys-process-\S+ failed: AlgorithmError: See job logs for more information, exit code: 1",
        first,
    )
    assert whose == "ClientError: the data, the role or the image. AlgorithmError: the program, whose log says more."
    assert word.startswith("The script's last word: Line 1 is not a review")
    assert log.startswith("Its log: aws logs tail /aws/sagemaker/ProcessingJobs --log-stream-name-prefix toys-process-")


def test_training_that_fails_says_why_in_the_programs_own_words(person, tmp_path):
    data = folder(tmp_path, {"train/a.txt": "__label__1 fine\n", "validation/a.txt": "__label__1 fine\n"})
    with pytest.raises(Refused) as caught:
        person.desk().train(str(data))
    first, _, log = caught.value.lines
    assert " failed: AlgorithmError: " in first
    assert "The channel 'train' has one label, __label__1, and nothing to tell it from." in first
    assert first.endswith(", exit code: 1")
    assert log.startswith("Its log: aws logs tail /aws/sagemaker/TrainingJobs --log-stream-name-prefix toys-train-")
    report = history.report(person.desk().job, person.client("sagemaker"))
    assert report.exit_code == 1
