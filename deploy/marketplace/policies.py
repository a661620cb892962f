"""What the seller, and SageMaker on the seller's behalf, may do: what the package needs, and nothing else."""

from typing import Any

from deploy.marketplace.request import REPOSITORY, account_of, place, role_arn
from deploy.marketplace.seller import Seller

Document = dict[str, Any]


def policies(seller: Seller, image: str) -> Document:
    """Return the three documents: whom the role trusts, what it may do, and what the person who submits may do."""
    return {
        "role_trust": trust(image),
        "role": role(seller, image),
        "submitter": submitter(seller, image),
    }


def trust(image: str) -> Document:
    """Return who may take the validation role: SageMaker, and only for this account's sake."""
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account_of(image).number}},
        }
    )


def role(seller: Seller, image: str) -> Document:
    """Return what validation needs: the image, the sample, a place for the answers, its log."""
    account, bucket, prefix = account_of(image), *_place(seller, image)
    group = f"arn:{account.partition}:logs:{account.region}:{account.number}:log-group:/aws/sagemaker/TransformJobs"
    layers = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    model = _arn(image, "model", f"{seller.name}-*")
    job = _arn(image, "transform-job", f"{seller.name}-*")
    jobs = ["sagemaker:CreateModel", "sagemaker:DeleteModel", "sagemaker:DescribeModel"]
    runs = ["sagemaker:CreateTransformJob", "sagemaker:DescribeTransformJob", "sagemaker:StopTransformJob"]
    return _document(
        _allow("LogInToEcr", ["ecr:GetAuthorizationToken"], "*"),
        _allow("PullTheImage", layers, _repository(image)),
        _allow("ReadTheSample", ["s3:GetObject"], f"{bucket}/{prefix}/input/*"),
        _allow("WriteTheAnswers", ["s3:PutObject"], f"{bucket}/{prefix}/output/*"),
        _allow("SeeTheBucket", ["s3:ListBucket"], bucket),
        _allow("WriteLogs", ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], group, f"{group}:*"),
        _allow("TryTheModel", [*jobs, *runs], model, job),
    )


def submitter(seller: Seller, image: str) -> Document:
    """Return what `python -m deploy marketplace submit` needs."""
    account, bucket, prefix = account_of(image), *_place(seller, image)
    packages = ["sagemaker:CreateModelPackage", "sagemaker:DescribeModelPackage", "sagemaker:DeleteModelPackage"]
    images = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:DescribeImageScanFindings"]
    to_sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    return _document(
        _allow("MakeThePackage", packages, _arn(image, "model-package", f"{seller.name}-*")),
        _allow("LookAtTheImage", images, _repository(image)),
        _allow("SendTheSample", ["s3:PutObject"], f"{bucket}/{prefix}/input/*"),
        _allow("SeeTheBucket", ["s3:ListBucket"], bucket),
        {**_allow("PassTheRole", ["iam:PassRole"], role_arn(seller, account)), "Condition": to_sagemaker},
    )


def _place(seller: Seller, image: str) -> tuple[str, str]:
    """Return the ARN of the bucket, and the prefix in it."""
    account = account_of(image)
    bucket, _, prefix = place(seller, account).removeprefix("s3://").partition("/")
    return f"arn:{account.partition}:s3:::{bucket}", prefix


def _repository(image: str) -> str:
    account, found = account_of(image), REPOSITORY.fullmatch(image)
    name = found["name"].partition("@")[0].partition(":")[0] if found else ""
    return f"arn:{account.partition}:ecr:{account.region}:{account.number}:repository/{name}"


def _arn(image: str, kind: str, name: str) -> str:
    account = account_of(image)
    return f"arn:{account.partition}:sagemaker:{account.region}:{account.number}:{kind}/{name}"


def _document(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(sid: str, actions: list[str], *resources: str) -> Document:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": list(resources)}
