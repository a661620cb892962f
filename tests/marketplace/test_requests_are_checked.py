"""A package's request is built from the seller's file, and what AWS would refuse is said before it is asked."""

import copy
import json
import re
import tomllib
from pathlib import Path

import botocore.session
import pytest
from botocore.validate import ParamValidator

from builders import folder
from deploy.errors import Refused
from deploy.marketplace import checking, service_model
from deploy.marketplace.policies import policies
from deploy.marketplace.request import build
from deploy.marketplace.seller import Seller, read_seller
from marketplace import source_guide
from marketplace.typing_commands import marketplace
from server import MODELS, ROOT

MODEL = MODELS / "turkish_sentiment"
DIGEST = "sha256:" + "1" * 64
IMAGE = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/turkish-sentiment@{DIGEST}"
INFERENCE, VALIDATION = "InferenceSpecification", "ValidationSpecification"
ABSENT = object()


def ours() -> dict:
    return build(read_seller(MODEL), IMAGE)


def job(request: dict) -> dict:
    return request[VALIDATION]["ValidationProfiles"][0]["TransformJobDefinition"]


def with_(path: str, value: object) -> dict:
    """Return our request with another value somewhere; `job.` begins in the transform job."""
    request = copy.deepcopy(ours())
    *way, last = path.split(".")
    place = request
    for name in way:
        place = job(request) if name == "job" else place[int(name) if name.isdigit() else name]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return request


def test_our_request_has_no_fault():
    assert checking.faults(ours()) == []


def test_the_source_guides_request_is_refused_for_its_three_faults_and_for_nothing_else():
    twice, empty_folder, no_digest = checking.faults(source_guide.request())
    assert twice == "InferenceSpecification.SupportedContentTypes: application/json stands there 2 times."
    assert empty_folder == (
        "TransformOutput.S3OutputPath: s3://vnlp-sentiment-marketplace//batch-transform-output has an empty folder in "
        "it, `//`: S3 takes that for a name of its own."
    )
    assert no_digest == (
        f"Containers[0].Image: {source_guide.IMAGE} names no digest, so what is validated could be another image than "
        "what was tested. Use what ./build_and_push.sh prints."
    )


def test_the_source_guides_request_is_fine_by_botocore_alone():
    shape = botocore.session.get_session().get_service_model("sagemaker").operation_model("CreateModelPackage")
    assert not ParamValidator().validate(source_guide.request(), shape.input_shape).has_errors()


FAULTS = tomllib.loads((ROOT / "tests" / "marketplace" / "faults.toml").read_text())["fault"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["says"][:60])
def test_each_fault_is_named(fault):
    wrong = with_(fault["path"], fault.get("value", ABSENT))
    found = checking.faults(wrong)
    assert [one for one in found if one.startswith(fault["says"])], found
    with pytest.raises(Refused) as caught:
        checking.require_possible(wrong)
    assert re.fullmatch(r"This package would not be taken: (1 fault|\d faults)\.", caught.value.lines[0])
    assert [*caught.value.lines[1:]] == found


def test_two_profiles_are_one_too_many_by_both_counts():
    profiles = ours()[VALIDATION]["ValidationProfiles"] * 2
    assert checking.faults(with_(VALIDATION + ".ValidationProfiles", profiles)) == [
        "ValidationSpecification.ValidationProfiles has 2 entries, and SageMaker takes 1.",
        "ValidationSpecification.ValidationProfiles: there are 2, and exactly one is needed.",
    ]


@pytest.mark.parametrize("wrong", [{}, {INFERENCE: "x", VALIDATION: ["x"]}, {INFERENCE: {"Containers": [1, {}]}}])
def test_a_request_of_another_shape_breaks_nothing(wrong):
    assert len(checking.faults(wrong)) >= 3
    assert checking.faults([wrong]) == ["The request is no table of names and values."]


def test_a_variable_that_counts_tokens_is_no_secret():
    variables = {"MAX_TOKENS": "512", "TOKENIZERS_PARALLELISM": "false", "SERVING_WORKERS": "1"}
    assert checking.faults(with_(INFERENCE + ".Containers.0.Environment", variables)) == []


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "eu-central-1", "ap-southeast-2", "sa-east-1"])
def test_a_region_that_is_on_by_default_is_taken(region):
    assert checking.faults(build(read_seller(MODEL), IMAGE.replace("eu-west-1", region))) == []


def test_every_pattern_of_the_operation_can_be_read():
    """Java's classes of characters are not Python's; one that we could not read would be an error, and not a fault."""
    shape = botocore.session.get_session().get_service_model("sagemaker").operation_model("CreateModelPackage")
    patterns = {one.metadata["pattern"] for one in shapes_in(shape.input_shape, set()) if "pattern" in one.metadata}
    assert len(patterns) > 20
    assert all(service_model.matches(pattern, "") in {True, False} for pattern in patterns)
    assert service_model.matches(r"[\p{L}\p{N}]*", "ürün1")
    assert not service_model.matches(r"[\p{L}\p{N}]*", "a b")


def shapes_in(shape, seen):
    if shape.name in seen:
        return
    seen.add(shape.name)
    yield shape
    inner = [*getattr(shape, "members", {}).values()] if shape.type_name == "structure" else []
    inner += [getattr(shape, name) for name in ("member", "key", "value") if hasattr(shape, name)]
    for one in inner:
        yield from shapes_in(one, seen)


def test_a_gpu_is_an_instance_type_like_any_other():
    """The guide's `supports_gpu=True` ends in a NameError; here there is no such switch."""
    seller = read_seller(MODEL).model_dump()
    seller["real_time_instances"] = seller["transform_instances"] = ["ml.g5.xlarge"]
    seller["validation"]["instance"] = "ml.g5.xlarge"
    assert checking.faults(build(Seller(**seller), IMAGE)) == []


def test_the_same_request_has_the_same_name_and_another_has_another():
    name = ours()["ModelPackageName"]
    assert re.fullmatch(r"turkish-sentiment-[0-9a-f]{12}", name)
    assert ours()["ModelPackageName"] == name
    assert build(read_seller(MODEL), IMAGE.replace("1" * 64, "2" * 64))["ModelPackageName"] != name


def test_what_is_built_lies_in_the_images_account_and_region():
    request = build(read_seller(MODEL), IMAGE)
    assert request[VALIDATION]["ValidationRole"] == "arn:aws:iam::123456789012:role/turkish-sentiment-validation"
    assert job(request)["TransformOutput"]["S3OutputPath"].startswith("s3://sagemaker-eu-west-1-123456789012/")
    seller = Seller(**{**read_seller(MODEL).model_dump(), "role": "arn:aws:iam::1:role/x", "bucket": "mine"})
    assert build(seller, IMAGE)[VALIDATION]["ValidationRole"] == "arn:aws:iam::1:role/x"
    assert job(build(seller, IMAGE))["TransformOutput"]["S3OutputPath"].startswith("s3://mine/")
    secret = IMAGE.replace("eu-west-1", "us-gov-west-1")
    assert build(read_seller(MODEL), secret)[VALIDATION]["ValidationRole"].startswith("arn:aws-us-gov:iam::")


def test_an_image_that_is_not_in_ecr_is_refused():
    with pytest.raises(Refused, match=r"'byoc:1' is not in ECR: a package's image is ACCOUNT\.dkr\.ecr\.REGION\."):
        build(read_seller(MODEL), "byoc:1")


def seller_file(root: Path, text: str) -> Path:
    return folder(root, {"marketplace/seller.toml": text})


def test_a_sellers_file_is_read_strictly_and_everything_wrong_is_said_at_once(tmp_path):
    text = (MODEL / "marketplace" / "seller.toml").read_text()
    wrong = text.replace('name = "turkish-sentiment"', 'name = "a_b"\ncolour = "red"').replace(
        "max_payload_mb = 6", "max_payload_mb = 0"
    )
    with pytest.raises(Refused) as caught:
        read_seller(seller_file(tmp_path, wrong.replace("role = ", "rolle = ")))
    first, *others = caught.value.lines
    assert first == f"{tmp_path / 'marketplace' / 'seller.toml'} cannot be used:"
    assert "role is missing." in others
    assert "colour: there is no such setting." in others
    assert "rolle: there is no such setting." in others
    assert "validation.max_payload_mb: should be greater than or equal to 1, not 0." in others
    assert any(line.startswith("name: ") and line.endswith(", not 'a_b'.") for line in others)
    assert len(others) == 5


def test_a_sellers_file_that_is_no_toml_or_not_there_is_refused(tmp_path):
    with pytest.raises(Refused) as caught:
        read_seller(tmp_path)
    assert caught.value.lines == (
        f"There is no {tmp_path / 'marketplace' / 'seller.toml'}: a model that is to be sold has one.",
        "models/turkish_sentiment/marketplace has one to begin with; docs/marketplace.md says what goes where.",
    )
    with pytest.raises(Refused, match=r"seller\.toml is not TOML: "):
        read_seller(seller_file(tmp_path, "name"))


def test_the_policies_have_no_full_access_and_no_star_but_where_aws_knows_nothing_narrower():
    found = policies(read_seller(MODEL), IMAGE)
    assert "FullAccess" not in json.dumps(found)
    statements = [one for document in found.values() for one in document["Statement"]]
    actions = [
        action
        for one in statements
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    ]
    assert len(actions) > 15
    assert not [action for action in actions if "*" in action]
    everywhere = [one["Action"] for one in statements if one.get("Resource") == ["*"]]
    assert everywhere == [["ecr:GetAuthorizationToken"], ["cloudwatch:PutMetricData"]]
    wide = {resource for one in statements for resource in one.get("Resource", ()) if resource.endswith("/*")}
    sagemakers = "arn:aws:sagemaker:eu-west-1:123456789012:"
    assert {one for one in wide if ":s3:::" not in one} == {f"{sagemakers}model/*", f"{sagemakers}transform-job/*"}
    assert found["role_trust"]["Statement"][0]["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    layers = next(one for one in found["role"]["Statement"] if one["Sid"] == "PullTheImage")
    assert layers["Resource"] == ["arn:aws:ecr:eu-west-1:123456789012:repository/turkish-sentiment"]


@pytest.mark.parametrize("document", ["role", "submitter"])
def test_who_submits_and_the_role_itself_may_pass_the_role_to_sagemaker_alone(document):
    """Validation makes a model, and CreateModel is given the role that validation runs as."""
    statements = policies(read_seller(MODEL), IMAGE)[document]["Statement"]
    (found,) = [one for one in statements if "iam:PassRole" in one["Action"]]
    assert found["Resource"] == ["arn:aws:iam::123456789012:role/turkish-sentiment-validation"]
    assert found["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_marketplace_may_look_at_the_package_and_do_nothing_else():
    found = policies(read_seller(MODEL), IMAGE)
    (trust,), (look,) = found["publisher_trust"]["Statement"], found["publisher"]["Statement"]
    assert trust["Principal"] == {"Service": "assets.marketplace.amazonaws.com"}
    assert (trust["Effect"], trust["Action"]) == ("Allow", "sts:AssumeRole")
    assert (look["Effect"], look["Action"]) == ("Allow", ["sagemaker:DescribeModelPackage"])
    assert look["Resource"] == ["arn:aws:sagemaker:eu-west-1:123456789012:model-package/turkish-sentiment-*"]


def test_the_command_prints_the_request_alone_and_checks_anybodys(tmp_path):
    done = marketplace("request", "turkish_sentiment", "--image", IMAGE)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == ours()
    mine, theirs = tmp_path / "mine.json", tmp_path / "theirs.json"
    mine.write_text(done.stdout)
    theirs.write_text(json.dumps(source_guide.request()))
    done = marketplace("check", "turkish_sentiment", "--image", IMAGE, "--request", str(mine))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        f"- the request in {mine} has no fault that can be seen here\n"
        f"- the request for {ours()['ModelPackageName']} has no fault that can be seen here\n"
    )
    done = marketplace("check", "turkish_sentiment", "--request", str(theirs))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("deploy: This package would not be taken: 3 faults.\n  InferenceSpecification.Supp")


def test_a_check_of_nothing_and_a_file_that_cannot_be_read_are_refused(tmp_path):
    done = marketplace("check", "turkish_sentiment")
    assert done.stderr == "deploy: Nothing to check was named: --image URI, --request FILE or --run IMAGE.\n"
    with pytest.raises(Refused, match=r"cannot be read: No such file or directory\."):
        checking.read_request(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(Refused, match=r"bad\.json is not JSON: "):
        checking.read_request(tmp_path / "bad.json")
    done = marketplace("request", "s3://bucket/model.tar.gz", "--image", IMAGE)
    assert done.stderr == (
        "deploy: s3://bucket/model.tar.gz is in S3: "
        "a product is made of a model folder, whose weights are in the image.\n"
    )


def test_the_policies_are_printed_for_whoever_makes_the_role():
    done = marketplace("policies", "turkish_sentiment", "--image", IMAGE)
    assert json.loads(done.stdout) == policies(read_seller(MODEL), IMAGE)
