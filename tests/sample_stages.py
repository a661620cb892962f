"""Stages of every kind, with what is known of AWS: for the tests of what is made of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.facts import Account, Archive, Facts, Image
from deploy.stage.files import parse_stage
from deploy.stage.kinds import Stage, containers_of

ACCOUNT = Account("123456789012", "aws", "eu-west-1")
CHINA = Account("123456789012", "aws-cn", "cn-north-1")
BUCKET = "sagemaker-eu-west-1-123456789012"
DIGEST = "sha256:" + "0123456789abcdef" * 4
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
VPC = {"subnets": ["subnet-0123456789abcdef0", "subnet-1123456789abcdef0"], "security_groups": ["sg-0123456789abcdef0"]}
MB = 1_000_000

LEAST: Mapping[str, Mapping[str, Any]] = {
    "instance": {"image": "abalone", "model": "models/abalone", "instance": {"type": "ml.m5.large"}},
    "serverless": {"image": "abalone", "model": "models/abalone"},
    "asynchronous": {"image": "abalone", "model": "models/abalone", "instance": {"type": "ml.m5.large"}},
    "batch": {"image": "abalone", "model": "models/abalone", "instance": {"type": "ml.m5.large", "count": 2}},
    "pipeline": {
        "instance": {"type": "ml.m5.large"},
        "containers": [
            {"name": "features", "image": "abalone", "model": "models/features"},
            {"name": "rings", "image": "abalone", "model": "models/rings", "environment": {"LOG_LEVEL": "DEBUG"}},
        ],
    },
}
EVERYTHING: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "instance_with_everything": (
        "instance",
        {
            "environment": {"MODEL_SERVER_WORKERS": "2"},
            "instance": {"type": "ml.c6i.xlarge", "count": 2},
            "start_up_seconds": 600,
            "network_isolation": False,
            "autoscaling": {"min": 2, "max": 6, "concurrent_requests": 2.5},
            "alarms": {"errors": 5, "latency_ms": 250},
            "update": {"traffic": "canary", "step_percent": 10, "wait_seconds": 120, "bake_seconds": 600},
            "capture": {"percent": 20},
            "vpc": VPC,
            "key": KEY,
            "tags": {"team": "shellfish", "cost-centre": "4711"},
        },
    ),
    "asynchronous_from_zero": (
        "asynchronous",
        {
            "autoscaling": {"max": 3},
            "asynchronous": {
                "concurrent_requests": 2,
                "email": "ann@example.com",
                "input": "s3://theirs/in",
                "output": "s3://theirs/out/",
                "failures": "s3://theirs/bad",
            },
        },
    ),
}
OPTIONS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    **{kind: (kind, {}) for kind in LEAST},
    **EVERYTHING,
    "instance_in_linear_steps": (
        "instance",
        {"instance": {"type": "ml.m5.large", "count": 4}, "update": {"traffic": "linear", "wait_seconds": 60}},
    ),
    "instance_with_capture_elsewhere": ("instance", {"capture": {"percent": 1, "destination": "s3://theirs/seen"}}),
    "pipeline_with_everything": (
        "pipeline",
        {"autoscaling": {"max": 3}, "capture": {"percent": 100}, "vpc": VPC, "key": KEY, "network_isolation": False},
    ),
    "asynchronous_with_a_key": ("asynchronous", {"autoscaling": {"min": 1, "max": 2}, "key": KEY, "vpc": VPC}),
    "asynchronous_unheard": ("asynchronous", {"asynchronous": {"notify": False}}),
    "serverless_with_everything": (
        "serverless",
        {
            "serverless": {"memory_mb": 6144, "concurrency": 20, "provisioned": 5},
            "alarms": {"errors": 2, "latency_ms": 900},
            "key": KEY,
            "tags": {"team": "shellfish"},
        },
    ),
    "batch_with_everything": (
        "batch",
        {"batch": {"input": "s3://theirs/rows/2026", "output": "s3://theirs/rings"}, "key": KEY, "vpc": VPC},
    ),
}
EXPECTED = Path(__file__).parent / "deploy" / "expected"
COMPARED = (*LEAST, *EVERYTHING)  # as whole files


def stage_of(option: str, name: str = "abalone", **settings: Any) -> Stage:
    """Return the stage of an option, with other settings on top."""
    kind, more = OPTIONS[option]
    content = {"kind": kind, "owner": "ann@example.com", **LEAST[kind], **more, **settings}
    return parse_stage(name, content, f"{name}.toml")


def facts_of(stage: Stage, account: Account = ACCOUNT, size: int | None = 25 * MB, digest: str = DIGEST) -> Facts:
    """Return what would be known of the stage: images in the account's ECR, archives in its bucket."""
    host = f"{account.number}.dkr.ecr.{account.region}.amazonaws.com"
    models = [container.model for container in containers_of(stage)]
    images = [Image(f"{host}/abalone@{digest}", DOCKER, "amd64", 150 * MB) for _ in models]
    urls = [f"s3://{BUCKET}/{model}/0a1b2c3d/model.tar.gz" if model else None for model in models]
    return Facts(account, BUCKET, images, [Archive(url, size) if url else None for url in urls])


def write_expected() -> None:
    """Write the files again; what has changed in them is for a person to judge."""
    from deploy.stack.describing import describe
    from deploy.stack.template import as_text, render

    EXPECTED.mkdir(exist_ok=True)
    for option in COMPARED:
        stage = stage_of(option)
        (EXPECTED / f"{option}.json").write_text(as_text(render(stage, facts_of(stage))) + "\n")
        (EXPECTED / f"{option}.txt").write_text(describe(stage, facts_of(stage)) + "\n")


if __name__ == "__main__":
    write_expected()
