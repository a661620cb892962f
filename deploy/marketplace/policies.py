"""What the seller may do, and SageMaker and Marketplace on the seller's behalf: what the package needs, no more."""

from typing import Any

from deploy.marketplace.request import REPOSITORY, account_of, place, role_arn
from deploy.marketplace.seller import Seller

Document = dict[str, Any]


def policies(seller: Seller, image: str) -> Document:
    """Return for each of the two roles whom it trusts and what it may do, and what the person who submits may do."""
    return {
        "role_trust": trust(image),
        "role": role(seller, image),
        "submitter": submitter(seller, image),
        "publisher_trust": publisher_trust(),
        "publisher": publisher(seller, image),
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
    """Return what validation needs: the image, the sample, a place for the answers, its log, and itself."""
    account, bucket, prefix = account_of(image), *_place(seller, image)
    group = f"arn:{account.partition}:logs:{account.region}:{account.number}:log-group:/aws/sagemaker/TransformJobs"
    layers = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    # What validation calls its model and its job is documented nowhere.
    model, job = _arn(image, "model", "*"), _arn(image, "transform-job", "*")
    jobs = ["sagemaker:CreateModel", "sagemaker:DeleteModel", "sagemaker:DescribeModel"]
    runs = ["sagemaker:CreateTransformJob", "sagemaker:DescribeTransformJob", "sagemaker:StopTransformJob"]
    return _document(
        _allow("LogInToEcr", ["ecr:GetAuthorizationToken"], "*"),
        _allow("PullTheImage", layers, _repository(image)),
        _allow("ReadTheSample", ["s3:GetObject"], f"{bucket}/{prefix}/input/*"),
        _allow("WriteTheAnswers", ["s3:PutObject"], f"{bucket}/{prefix}/output/*"),
        _allow("SeeTheBucket", ["s3:ListBucket"], bucket),
        _allow("WriteLogs", ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], group, f"{group}:*"),
        _allow("CountTheRequests", ["cloudwatch:PutMetricData"], "*"),  # CloudWatch knows no narrower resource
        _allow("TryTheModel", [*jobs, *runs], model, job),
        _pass_role(role_arn(seller, account)),  # CreateModel is given a role, which is this one
    )


def submitter(seller: Seller, image: str) -> Document:
    """Return what `python -m deploy marketplace submit` needs."""
    account, bucket, prefix = account_of(image), *_place(seller, image)
    packages = ["sagemaker:CreateModelPackage", "sagemaker:DescribeModelPackage", "sagemaker:DeleteModelPackage"]
    images = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:DescribeImageScanFindings"]
    return _document(
        _allow("MakeThePackage", packages, _arn(image, "model-package", f"{seller.name}-*")),
        _allow("LookAtTheImage", images, _repository(image)),
        _allow("SendTheSample", ["s3:PutObject"], f"{bucket}/{prefix}/input/*"),
        _allow("SeeTheBucket", ["s3:ListBucket"], bucket),
        _pass_role(role_arn(seller, account)),
    )


def publisher_trust() -> Document:
    """Return who may take the role that the portal asks for: Marketplace."""
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "assets.marketplace.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    )


def publisher(seller: Seller, image: str) -> Document:
    """Return what Marketplace needs to list the package: to look at it."""
    package = _arn(image, "model-package", f"{seller.name}-*")
    return _document(_allow("LookAtThePackage", ["sagemaker:DescribeModelPackage"], package))


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


def _pass_role(arn: str) -> Document:
    to_sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    return {**_allow("PassTheRole", ["iam:PassRole"], arn), "Condition": to_sagemaker}


def _allow(sid: str, actions: list[str], *resources: str) -> Document:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": list(resources)}
