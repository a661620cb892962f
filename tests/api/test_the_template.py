"""The stack of an API: what it has, who may do what, and that AWS's own schemas have nothing against it."""

import subprocess
import sys
from pathlib import Path

import pytest
from sample_apis import EXPECTED, ORIGIN, compared, template_of

from deploy.api.template import CODE
from deploy.stack.change_sets import LARGEST
from deploy.stack.template import as_text
from sample_stages import CHINA

CFN_LINT = Path(sys.executable).with_name("cfn-lint")
AGAIN = "if this is how it should be: PYTHONPATH=.:tests:tests/api python tests/api/sample_apis.py"


def properties_of(logical_id, **settings):
    return template_of(**settings)["Resources"][logical_id]["Properties"]


def everything_in(value):
    """Yield every word of a template."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from everything_in(inner)
    else:
        yield value


def test_an_api_becomes_this_template():
    assert compared() == EXPECTED.read_text(), AGAIN


def test_cfn_lint_finds_nothing(tmp_path):
    (tmp_path / "api.json").write_text(as_text(template_of()))
    (tmp_path / "china.json").write_text(as_text(template_of("Rings", CHINA)))
    ran = subprocess.run([CFN_LINT, *tmp_path.iterdir()], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr


def test_the_template_is_whole_and_small_enough_to_be_sent():
    assert properties_of("Function")["Code"] == {"ZipFile": CODE.read_text()}
    assert len(as_text(template_of())) < LARGEST


def test_the_function_may_call_one_endpoint_and_write_its_own_log_and_nothing_else():
    """The source gave it AmazonSageMakerFullAccess."""
    role = properties_of("Role")
    assert "ManagedPolicyArns" not in role
    (policy,) = role["Policies"]
    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["sagemaker:InvokeEndpoint"],
            "Resource": ["arn:aws:sagemaker:eu-west-1:123456789012:endpoint/rings"],
        },
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": [{"Fn::GetAtt": ["FunctionLogs", "Arn"]}],
        },
    ]


def test_a_name_with_capitals_is_allowed_as_sagemaker_writes_it_too():
    (policy,) = properties_of("Role", name="Rings")["Policies"]
    endpoint = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/"
    assert policy["PolicyDocument"]["Statement"][0]["Resource"] == [f"{endpoint}Rings", f"{endpoint}rings"]


def test_the_gateway_may_call_the_function_by_this_route_alone():
    permission = properties_of("Permission")
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert permission["SourceArn"] == {"Fn::Sub": "arn:aws:execute-api:eu-west-1:123456789012:${Api}/*/POST/demo"}


def test_one_page_may_call_the_api_and_no_star_is_anywhere():
    assert properties_of("Api")["CorsConfiguration"]["AllowOrigins"] == [ORIGIN]
    assert "*" not in [word for word in everything_in(template_of()) if word != CODE.read_text()]


def test_the_runtime_is_one_that_aws_keeps_up():
    """The source's Python 3.6 was retired in 2022; cfn-lint warns of what is retired."""
    assert properties_of("Function")["Runtime"] == "python3.13"


def test_the_times_add_up():
    """The API's own 30 s, Lambda's 29 below it; that all attempts are below these, the settings see to."""
    assert properties_of("Integration")["TimeoutInMillis"] == 30_000
    assert properties_of("Function")["Timeout"] == 29


@pytest.mark.parametrize(
    ("settings", "rate", "burst", "reserved"),
    [({}, 10, 20, 10), ({"requests_per_second": 2, "burst": 3, "concurrency": 1}, 2, 3, 1)],
)
def test_requests_are_bounded_and_so_are_costs(settings, rate, burst, reserved):
    limits = properties_of("Stage", **settings)["DefaultRouteSettings"]
    assert limits == {"ThrottlingRateLimit": rate, "ThrottlingBurstLimit": burst}
    assert properties_of("Function", **settings)["ReservedConcurrentExecutions"] == reserved


def test_every_request_is_logged_without_the_callers_address():
    line = properties_of("Stage")["AccessLogSettings"]["Format"]
    assert '"status":"$context.status"' in line
    assert "sourceIp" not in line


def test_what_can_be_tagged_says_whose_it_is_and_what_it_costs():
    for resource in template_of()["Resources"].values():
        tags = resource["Properties"].get("Tags")
        if resource["Type"].rpartition("::")[2] in {"Integration", "Route", "Permission"}:
            assert tags is None  # cannot be
            continue
        named = tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}
        assert named.items() >= {"stage": "rings", "owner": "ann@example.com", "kind": "api"}.items()
        assert named["cost-note"]
