"""What a person is told of a stage, and in which order a stage is changed."""

from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from deploy.call.transform import job_name
from deploy.errors import NoLongerWaiting, Refused
from deploy.stack.change_sets import Change
from deploy.stack.deploying import (
    deploy,
    destroy,
    in_words,
    keep_logs,
    pointing_to_logs,
    require_deployable,
    status,
    would_remove,
)
from deploy.stack.describing import describe, what_is_up
from deploy.stack.health import health
from deploy.stack.kept import MANY, kept_by
from deploy.stack.requiring import require_no_jobs, require_ours, require_same_family, require_served
from deploy.stack.stepping import steps, take_steps
from deploy.stack.tags import tags_of
from deploy.stack.template import is_scaled, render, without_scaling
from sample_stages import ACCOUNT, BUCKET, COMPARED, EXPECTED, facts_of, stage_of

AGAIN = "if this is how it should be: PYTHONPATH=.:tests python tests/sample_stages.py"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LARGER = {"type": "ml.m5.4xlarge", "count": 2}


def template_of(option, **settings):
    stage = stage_of(option, **settings)
    return render(stage, facts_of(stage))


class RecordedStack:
    """A stack that is what it was told to be; it fails at what it is given to fail at, with what it is given."""

    name, region = "byoc-abalone", "eu-west-1"
    failure = Refused("the update failed")

    def __init__(self, live=None, tags=None, refuses=(), failure=failure, busy=None):
        self.live, self.known_tags, self.refuses = live, tags or {}, list(refuses)
        self.failure, self.busy = failure, busy
        self.applied, self.said = [], []
        self.say = self.said.append

    def exists(self):
        return self.live is not None

    is_live = exists

    def tags(self):
        return self.known_tags

    def template(self):
        return self.live

    def apply(self, template, tags):
        self.applied.append(template)
        if template in self.refuses:
            self.refuses.remove(template)
            raise self.failure
        self.live = template
        return True

    def plan(self, template, tags):
        return [] if template == self.live else [Change("Modify", "Model", "AWS::SageMaker::Model")]

    def require_rest(self):
        if self.busy:
            raise self.busy

    def status(self):
        return "CREATE_COMPLETE" if self.live else "ABSENT"

    def resources(self):
        return {"Role": "r-1", "EndpointConfig": "arn:aws:sagemaker:eu-west-1:1:endpoint-config/c"} if self.live else {}

    def outputs(self):
        return {"ModelName": "m"}

    def delete(self):
        there_was, self.live = self.live is not None, None
        return there_was


def live_stack(option):
    stage = stage_of(option)
    return RecordedStack(render(stage, facts_of(stage)), tags_of(stage))


def client_of(service):
    return boto3.client(service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


@pytest.fixture
def aws():
    """Clients by their names; each answers from a script."""
    clients = {
        name: client_of(name) for name in ("cloudformation", "cloudwatch", "ecr", "logs", "s3", "sagemaker", "sts")
    }
    stubs = {name: Stubber(client) for name, client in clients.items()}
    for stub in stubs.values():
        stub.activate()
    yield clients.__getitem__, stubs
    for name, stub in stubs.items():
        stub.assert_no_pending_responses()
        clients[name].close()


# -- what would be made


@pytest.mark.parametrize("option", COMPARED)
def test_a_dry_run_shows_everything_that_would_be_made(option):
    stage = stage_of(option)

    assert describe(stage, facts_of(stage)) + "\n" == (EXPECTED / f"{option}.txt").read_text(), AGAIN


def test_a_plan_is_a_line_for_each_change_and_what_it_costs():
    changes = [
        Change("Modify", "Model", "AWS::SageMaker::Model", "True", ("PrimaryContainer",)),
        Change("Add", "ScalableTarget", "AWS::ApplicationAutoScaling::ScalableTarget"),
    ]

    assert in_words(stage_of("instance"), "byoc-abalone", changes, stepwise=False).splitlines() == [
        "byoc-abalone: 2 changes",
        "  ~ Model AWS::SageMaker::Model (PrimaryContainer): replaced by a new one",
        "  + ScalableTarget AWS::ApplicationAutoScaling::ScalableTarget",
        "Cost: 1 x ml.m5.large billed while the endpoint exists.",
    ]


def test_a_plan_of_one_change_says_so():
    changes = [Change("Remove", "LatencyAlarm", "AWS::CloudWatch::Alarm")]

    assert in_words(stage_of("instance"), "byoc-abalone", changes, stepwise=False).startswith(
        "byoc-abalone: 1 change\n"
    )


def test_a_plan_that_takes_three_steps_says_so():
    text = in_words(stage_of("instance"), "byoc-abalone", [Change("Modify", "Endpoint", "x")], stepwise=True)

    assert "In three steps: SageMaker changes no instance type while scaling is on, so it is off meanwhile." in text


# -- what is up


def test_an_asynchronous_endpoint_says_how_it_is_called_and_who_hears_of_what():
    outputs = {"EndpointName": "abalone", "ModelName": "m", "SuccessTopic": "arn:s", "ErrorTopic": "arn:e"}

    assert what_is_up(stage_of("asynchronous_from_zero"), "eu-west-1", outputs).splitlines() == [
        "abalone is in service: an asynchronous endpoint.",
        "Call:  make invoke STAGE=abalone",
        (
            "or:    aws sagemaker-runtime invoke-endpoint-async --endpoint-name abalone --region eu-west-1 "
            "--content-type text/csv --input-location s3://…"
        ),
        "Hear of answers: arn:s",
        "Hear of failures: arn:e",
        "Cost:  0 to 3 x ml.m5.large billed while requests wait or run.",
        "Ends:  make destroy STAGE=abalone",
        "Logs:  aws logs tail /aws/sagemaker/Endpoints/abalone --follow --region eu-west-1",
    ]


def test_a_batch_stage_says_how_a_job_is_run():
    assert what_is_up(stage_of("batch"), "eu-west-1", {"ModelName": "m"}).splitlines() == [
        "abalone is ready for transform jobs: the model is m.",
        "Run:   make transform STAGE=abalone",
        "Cost:  2 x ml.m5.large billed while a transform job runs.",
        "Ends:  make destroy STAGE=abalone",
        "Logs:  aws logs tail /aws/sagemaker/TransformJobs --follow --region eu-west-1",
    ]


@pytest.mark.parametrize(
    ("option", "sort"),
    [
        ("instance", "an endpoint on instances"),
        ("pipeline", "a pipeline on instances"),
        ("serverless", "a serverless endpoint"),
    ],
)
def test_an_endpoint_says_what_it_is(option, sort):
    first, *_ = what_is_up(stage_of(option), "eu-west-1", {}).splitlines()

    assert first == f"abalone is in service: {sort}."


# -- kinds


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("instance", "serverless"),
        ("serverless", "asynchronous"),
        ("asynchronous", "pipeline"),
        ("pipeline", "serverless"),
    ],
)
def test_an_endpoint_cannot_become_one_of_another_family(was, becomes):
    live = stage_of(was)
    stack = RecordedStack(render(live, facts_of(live)), tags_of(live))

    with pytest.raises(Refused) as refused:
        require_same_family(stage_of(becomes), stack)
    assert refused.value.lines[0].startswith(f"abalone is deployed as {was}, and its file now says {becomes}: ")
    assert refused.value.lines[1:] == (
        "Remove it first, which ends its service: make destroy STAGE=abalone",
        "Or give the new one another name, and let its callers change over: a stage's file is named after it.",
    )


@pytest.mark.parametrize(
    ("was", "becomes"),
    [("instance", "pipeline"), ("pipeline", "instance"), ("batch", "serverless"), ("batch", "batch")],
)
def test_whatever_else_can_become_another_kind(was, becomes):
    live = stage_of(was)

    require_same_family(stage_of(becomes), RecordedStack(render(live, facts_of(live)), tags_of(live)))


@pytest.mark.parametrize("was", ["instance", "pipeline", "serverless", "asynchronous"])
def test_an_endpoint_is_not_removed_because_its_file_now_says_batch(was):
    with pytest.raises(Refused) as refused:
        require_same_family(stage_of("batch"), live_stack(was))
    assert refused.value.lines[0].startswith(f"abalone is deployed as {was}, and its file now says batch: ")
    assert refused.value.lines[0].endswith("a model for transform jobs: its service would end.")
    assert refused.value.lines[1] == "Remove it first, which ends its service: make destroy STAGE=abalone"


def test_whatever_cannot_be_deployed_is_known_before_anything_is_uploaded():
    require_deployable(stage_of("instance"), live_stack("pipeline"))
    with pytest.raises(Refused, match="deployed as serverless"):
        require_deployable(stage_of("instance"), live_stack("serverless"))
    busy = live_stack("instance")
    busy.busy = Refused("in the middle of something else")
    with pytest.raises(Refused, match="in the middle of something else"):
        require_deployable(stage_of("instance"), busy)


def test_what_a_removal_would_remove_is_told_and_nothing_is_removed():
    stack = live_stack("batch")

    assert would_remove(stage_of("batch"), stack).splitlines() == [
        "byoc-abalone would be removed, and in it:",
        "  Role: r-1",
        "  EndpointConfig: arn:aws:sagemaker:eu-west-1:1:endpoint-config/c",
    ]
    assert stack.live is not None
    assert would_remove(stage_of("batch"), RecordedStack()) == (
        "There is no stack byoc-abalone: nothing would be removed."
    )


def test_of_somebody_elses_stack_nothing_is_told_as_if_it_could_be_removed():
    with pytest.raises(Refused, match="was not made by"):
        would_remove(stage_of("batch"), RecordedStack({"Resources": {}}))


@pytest.mark.parametrize("tags", [{}, {"managed-by": "somebody", "kind": "instance"}])
def test_a_stack_that_others_made_is_left_alone(tags):
    with pytest.raises(Refused) as refused:
        require_ours(stage_of("instance"), RecordedStack({"Resources": {}}, tags))
    assert list(refused.value.lines) == [
        "There is a stack byoc-abalone that was not made by `python -m deploy`: it has no such tag managed-by.",
        "Nothing is done to it. Give the stage abalone another name.",
    ]


# -- steps


def test_a_new_stage_is_made_in_one_step():
    wanted = template_of("instance_with_everything")

    assert steps(None, wanted) == [wanted]


@pytest.mark.parametrize("live", ["instance_with_everything", "instance", "batch", "serverless"])
def test_whatever_keeps_its_instance_type_or_is_not_scaled_is_changed_in_one_step(live):
    wanted = template_of("instance_with_everything", alarms={"errors": 9})

    assert steps(template_of(live), wanted) == [wanted]


def test_scaling_goes_before_the_instance_type_changes_and_comes_back_after_it():
    live = template_of("instance_with_everything")
    wanted = template_of("instance_with_everything", instance=LARGER)

    assert steps(live, wanted) == [without_scaling(live), without_scaling(wanted), wanted]


def test_scaling_that_is_no_longer_wanted_does_not_come_back():
    live = template_of("instance_with_everything")
    wanted = template_of("instance", instance=LARGER)

    assert steps(live, wanted) == [without_scaling(live), wanted]


def test_after_an_interruption_between_two_steps_the_next_deployment_ends_what_was_begun():
    live = without_scaling(template_of("instance_with_everything", instance=LARGER))
    wanted = template_of("instance_with_everything", instance=LARGER)

    assert steps(live, wanted) == [wanted]


def test_scaling_is_put_back_if_the_instance_type_cannot_be_changed():
    live = template_of("instance_with_everything")
    wanted = template_of("instance_with_everything", instance=LARGER)
    stack = RecordedStack(live, refuses=[without_scaling(wanted)])

    with pytest.raises(Refused, match="the update failed"):
        take_steps(stack, wanted, {})
    assert stack.live == live
    assert [is_scaled(one) for one in stack.applied] == [False, False, True]


def test_scaling_that_cannot_be_put_back_is_told():
    live = template_of("instance_with_everything")
    wanted = template_of("instance_with_everything", instance=LARGER)
    stack = RecordedStack(live, refuses=[without_scaling(wanted), live])

    with pytest.raises(Refused) as refused:
        take_steps(stack, wanted, {})
    assert list(refused.value.lines) == [
        "the update failed",
        "Scaling is off, and could not be put back:",
        "the update failed",
    ]


AGAIN_PUTS_BACK = "make deploy STAGE=abalone again puts it back."
STOPPED = NoLongerWaiting("No longer waiting")
EXPIRED = ClientError({"Error": {"Code": "ExpiredToken", "Message": "expired"}}, "DescribeStacks")


@pytest.mark.parametrize("failure", [STOPPED, EXPIRED, KeyboardInterrupt()])
def test_after_an_interruption_aws_goes_on_and_nothing_is_put_back(failure):
    live = template_of("instance_with_everything")
    wanted = template_of("instance_with_everything", instance=LARGER)
    stack = RecordedStack(live, refuses=[without_scaling(wanted)], failure=failure)

    with pytest.raises(type(failure)):
        take_steps(stack, wanted, {})
    assert stack.applied == [without_scaling(live), without_scaling(wanted)]
    assert stack.said == [f"Scaling is off; {AGAIN_PUTS_BACK}"]


def test_an_interruption_of_the_first_step_says_that_scaling_may_be_off():
    live = template_of("instance_with_everything")
    stack = RecordedStack(live, refuses=[without_scaling(live)], failure=STOPPED)

    with pytest.raises(NoLongerWaiting):
        take_steps(stack, template_of("instance_with_everything", instance=LARGER), {})
    assert stack.said == [f"Scaling may be off; {AGAIN_PUTS_BACK}"]


def test_an_interruption_while_scaling_is_put_back_is_no_failure_to_do_so():
    class Impatient(RecordedStack):
        def apply(self, template, tags):
            if is_scaled(template):
                raise STOPPED
            return super().apply(template, tags)

    live = template_of("instance_with_everything")
    wanted = template_of("instance_with_everything", instance=LARGER)

    with pytest.raises(NoLongerWaiting) as stopped:
        take_steps(Impatient(live, refuses=[without_scaling(wanted)]), wanted, {})
    assert list(stopped.value.lines) == ["No longer waiting"]


def test_an_interruption_of_a_single_step_says_nothing_of_scaling():
    wanted = template_of("instance")
    stack = RecordedStack(refuses=[wanted], failure=STOPPED)

    with pytest.raises(NoLongerWaiting):
        take_steps(stack, wanted, {})
    assert stack.said == []


def test_a_first_step_that_fails_has_changed_nothing_that_must_be_put_back():
    live = template_of("instance_with_everything")
    stack = RecordedStack(live, refuses=[without_scaling(live)])

    with pytest.raises(Refused, match="the update failed"):
        take_steps(stack, template_of("instance_with_everything", instance=LARGER), {})
    assert stack.applied == [without_scaling(live)]


# -- logs

GROUP = "/aws/sagemaker/Endpoints/abalone"


def test_logs_are_kept_for_a_month(aws):
    client, stubs = aws
    stubs["logs"].add_response("create_log_group", {}, {"logGroupName": GROUP, "tags": {"stage": "abalone"}})
    groups = [{"logGroupName": GROUP}, {"logGroupName": f"{GROUP}-2"}]
    stubs["logs"].add_response("describe_log_groups", {"logGroups": groups}, {"logGroupNamePrefix": GROUP})
    stubs["logs"].add_response("put_retention_policy", {}, {"logGroupName": GROUP, "retentionInDays": 30})

    keep_logs(client("logs"), GROUP, {"stage": "abalone"})


def refused_with(*lines):
    with pytest.raises(Refused) as refused, pointing_to_logs(stage_of("instance"), "eu-west-1"):
        raise Refused(*lines)
    return list(refused.value.lines)


def test_an_endpoint_that_failed_is_told_with_the_place_of_its_containers_words():
    failed = ("byoc-abalone could not be created:", "Endpoint (AWS::SageMaker::Endpoint): no ping")

    assert refused_with(*failed) == [
        *failed,
        "What the containers said:",
        f"aws logs tail {GROUP} --since 1h --region eu-west-1",
    ]


def test_what_failed_without_any_container_is_told_as_it_is():
    failed = ("byoc-abalone could not be created:", "Role (AWS::IAM::Role): not authorized")

    assert refused_with(*failed) == [*failed]


def test_logs_that_somebody_keeps_longer_are_left_alone(aws):
    client, stubs = aws
    stubs["logs"].add_client_error("create_log_group", "ResourceAlreadyExistsException")
    groups = [{"logGroupName": GROUP, "retentionInDays": 365}, {"logGroupName": f"{GROUP}-2"}]
    stubs["logs"].add_response("describe_log_groups", {"logGroups": groups})

    keep_logs(client("logs"), GROUP, {})


# -- how a stage is


class StackAtRest:
    """A stack of which one thing is known: how it is."""

    name = "byoc-abalone"

    def __init__(self, status="CREATE_COMPLETE"):
        self.known_status = status

    def status(self):
        return self.known_status

    def resources(self):
        return {"ErrorsAlarm": "byoc-abalone-ErrorsAlarm-1", "LatencyAlarm": "", "Endpoint": "arn:e"}


def endpoint(status, **more):
    known = {"EndpointName": "abalone", "EndpointArn": "arn:aws:sagemaker:eu-west-1:1:e/abalone", "CreationTime": NOON}
    return {**known, "EndpointConfigName": "c", "EndpointStatus": status, "LastModifiedTime": NOON, **more}


def told_of(aws, option, answer, stack=None):
    client, stubs = aws
    stubs["sagemaker"].add_response("describe_endpoint", answer, {"EndpointName": "abalone"})
    alarms = {"MetricAlarms": [{"AlarmName": "byoc-abalone-ErrorsAlarm-1", "StateValue": "ALARM"}]}
    stubs["cloudwatch"].add_response("describe_alarms", alarms, {"AlarmNames": ["byoc-abalone-ErrorsAlarm-1"]})
    return health(stage_of(option), stack or StackAtRest(), client("sagemaker"), client("cloudwatch"))


def test_an_endpoint_that_scales_shows_how_far_it_is(aws):
    image = {"SpecifiedImage": "abalone:1", "ResolvedImage": "abalone@sha256:01", "ResolutionTime": NOON}
    variant = {
        "VariantName": "AllTraffic",
        "DeployedImages": [image],
        "CurrentInstanceCount": 1,
        "DesiredInstanceCount": 3,
    }
    report = told_of(aws, "instance_with_everything", endpoint("InService", ProductionVariants=[variant]))

    assert report.exit_code == 0
    assert report.text.splitlines() == [
        "abalone: InService",
        "  stack      byoc-abalone CREATE_COMPLETE",
        "  changed    2026-11-20 12:00 UTC",
        "  images     abalone@sha256:01",
        "  instances  1 of 3",
        "  alarms     ErrorsAlarm ALARM",
        "  cost       2 to 6 x ml.c6i.xlarge billed while the endpoint exists",
        "  logs       /aws/sagemaker/Endpoints/abalone",
    ]


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [("InService", 0), ("Updating", 0), ("RollingBack", 0), ("SystemUpdating", 0), ("Creating", 1), ("Deleting", 1)],
)
def test_an_endpoint_that_is_changed_serves_meanwhile(aws, status, exit_code):
    report = told_of(aws, "instance", endpoint(status))

    assert (report.text.splitlines()[0], report.exit_code) == (f"abalone: {status}", exit_code)


def test_a_stage_that_is_not_deployed_says_where_it_was_looked_for(aws):
    client, stubs = aws
    stubs["sts"].add_response("get_caller_identity", {"Account": "123456789012"})

    assert status(stage_of("instance"), RecordedStack(), client) == (
        "abalone: not deployed in eu-west-1, account 123456789012 (there is no stack byoc-abalone).",
        1,
    )


def test_a_removal_of_what_is_not_deployed_says_where_it_was_looked_for(aws):
    client, stubs = aws
    no_api(stubs)
    listed(stubs, "stages/abalone/", [])
    stage = stage_of("batch", image="999999999999.dkr.ecr.eu-west-1.amazonaws.com/abalone:1", model=None)

    assert destroy(stage, ACCOUNT, BUCKET, RecordedStack(), client) == (
        "abalone is not deployed in eu-west-1, account 123456789012: nothing to remove. Nothing stays."
    )


# -- what serves after a deployment


def served(aws, answer=None):
    client, stubs = aws
    if answer:
        stubs["sagemaker"].add_response("describe_endpoint", answer, {"EndpointName": "abalone"})
    else:
        gone = 'Could not find endpoint "abalone".'
        stubs["sagemaker"].add_client_error("describe_endpoint", "ValidationException", gone)
    require_served(stage_of("instance"), live_stack("instance"), client("sagemaker"))


@pytest.mark.parametrize("status", ["InService", "Updating", "SystemUpdating"])
@pytest.mark.parametrize("name", ["c", "C"])
def test_an_endpoint_that_serves_what_the_stack_says_is_up(aws, status, name):
    """An ARN is in small letters, and scaling is an update for SageMaker."""
    served(aws, endpoint(status, EndpointConfigName=name))


def test_an_endpoint_that_was_removed_by_hand_is_not_said_to_be_in_service(aws):
    with pytest.raises(Refused) as refused:
        served(aws)
    assert list(refused.value.lines) == [
        "byoc-abalone is as it should be, but there is no endpoint abalone: the endpoint was removed by hand.",
        "Make both anew: make destroy STAGE=abalone, then make deploy STAGE=abalone",
    ]


def test_an_endpoint_that_serves_what_was_before_is_told(aws):
    with pytest.raises(Refused) as refused:
        served(aws, endpoint("InService", EndpointConfigName="before", FailureReason="An alarm went off."))
    assert list(refused.value.lines) == [
        (
            "The endpoint abalone serves before, and byoc-abalone says c: "
            "SageMaker took the update back, or somebody changed the endpoint by hand."
        ),
        "SageMaker's reason: An alarm went off.",
        "Remove the cause, then make both anew: make destroy STAGE=abalone, then make deploy STAGE=abalone",
    ]


def test_an_endpoint_that_does_not_serve_is_told(aws):
    with pytest.raises(Refused) as refused:
        served(aws, endpoint("Failed", FailureReason="No capacity."))
    assert list(refused.value.lines) == [
        "byoc-abalone is as it should be, but the endpoint abalone is Failed.",
        "SageMaker's reason: No capacity.",
        "Look at it: make status STAGE=abalone",
    ]


def test_a_deployment_that_changes_nothing_looks_at_the_endpoint_all_the_same(aws):
    client, stubs = aws
    stubs["logs"].add_client_error("create_log_group", "ResourceAlreadyExistsException")
    stubs["logs"].add_response("describe_log_groups", {"logGroups": []})
    gone = 'Could not find endpoint "abalone".'
    stubs["sagemaker"].add_client_error("describe_endpoint", "ValidationException", gone)
    stage = stage_of("instance")

    with pytest.raises(Refused, match="removed by hand"):
        deploy(stage, facts_of(stage), live_stack("instance"), client)


# -- jobs that run


def running(aws, *names, asked=None):
    client, stubs = aws
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:transform-job/j"
    about = {"TransformJobArn": arn, "CreationTime": NOON, "TransformJobStatus": "InProgress"}
    jobs = {"TransformJobSummaries": [{"TransformJobName": name, **about} for name in names]}
    asked = asked or {"NameContains": "abalone", "StatusEquals": "InProgress"}
    stubs["sagemaker"].add_response("list_transform_jobs", jobs, asked)
    return client


JOB = "abalone-20261120-120000"
LOSE = [
    f"abalone has transform jobs that run, and would lose their model: {JOB}.",
    "Wait until they are done, or stop them:",
    f"aws sagemaker stop-transform-job --transform-job-name {JOB} --region eu-west-1",
]


@pytest.mark.parametrize("others", ["abalone-2-20261120-120000", "old-abalone-20261120-120000", "abalone-by-hand"])
def test_another_stages_jobs_do_not_matter(aws, others):
    require_no_jobs(stage_of("batch"), running(aws, others)("sagemaker"))


def test_jobs_are_known_by_what_they_are_called(aws):
    stage = stage_of("batch", name="a" * 46 + "-bc")
    name = job_name(stage, NOON)
    client = running(aws, name, asked={"NameContains": "a" * 46, "StatusEquals": "InProgress"})

    with pytest.raises(Refused, match=name):
        require_no_jobs(stage, client("sagemaker"))


def test_a_model_is_not_changed_while_a_job_runs_with_it(aws):
    stage, stack = stage_of("batch", environment={"A": "new"}), live_stack("batch")

    with pytest.raises(Refused) as refused:
        deploy(stage, facts_of(stage), stack, running(aws, JOB))
    assert list(refused.value.lines) == LOSE
    assert stack.applied == []


def test_a_deployment_that_changes_nothing_harms_no_job(aws):
    stage = stage_of("batch")

    assert "ready for transform jobs" in deploy(stage, facts_of(stage), live_stack("batch"), running(aws, JOB))


def test_a_model_is_not_removed_while_a_job_runs_with_it(aws):
    stack = live_stack("batch")

    with pytest.raises(Refused) as refused:
        destroy(stage_of("batch"), ACCOUNT, BUCKET, stack, running(aws, JOB))
    assert list(refused.value.lines) == LOSE
    assert stack.live is not None


def test_an_endpoint_that_failed_says_why_and_is_no_success(aws):
    variant = {"VariantName": "AllTraffic"}
    answer = endpoint("Failed", FailureReason="No capacity.", ProductionVariants=[variant])
    report = told_of(aws, "instance", answer, StackAtRest("UPDATE_IN_PROGRESS"))

    assert report.exit_code == 1
    assert report.text.splitlines()[:5] == [
        "abalone: Failed",
        "  stack      byoc-abalone UPDATE_IN_PROGRESS",
        "  changed    2026-11-20 12:00 UTC",
        "  images     not known",
        "  failure    No capacity.",
    ]


def test_an_update_that_failed_is_told_of_the_endpoint_that_serves(aws):
    """The version before serves, so this is a success; the reason is SageMaker's last."""
    report = told_of(aws, "instance", endpoint("InService", FailureReason="An alarm went off."))

    assert report.exit_code == 0
    assert "  failure    An alarm went off." in report.text.splitlines()


def test_a_stack_without_an_endpoint_says_so(aws):
    client, stubs = aws
    stubs["sagemaker"].add_client_error(
        "describe_endpoint", "ValidationException", 'Could not find endpoint "abalone".'
    )
    alarms = {"MetricAlarms": []}
    stubs["cloudwatch"].add_response("describe_alarms", alarms)
    report = health(
        stage_of("serverless"), StackAtRest("CREATE_IN_PROGRESS"), client("sagemaker"), client("cloudwatch")
    )

    assert report.exit_code == 1
    assert report.text.splitlines()[0] == "abalone: no endpoint"
    assert "  alarms     ErrorsAlarm missing" in report.text.splitlines()


@pytest.mark.parametrize(
    ("status", "word", "exit_code"),
    [
        ("CREATE_COMPLETE", "ready for transform jobs", 0),
        ("UPDATE_ROLLBACK_COMPLETE", "ready for transform jobs", 0),
        ("ROLLBACK_COMPLETE", "not ready", 1),
    ],
)
def test_a_batch_stage_is_ready_when_its_stack_is(aws, status, word, exit_code):
    client, _ = aws
    report = health(stage_of("batch"), StackAtRest(status), client("sagemaker"), client("cloudwatch"))

    assert (report.text.splitlines()[0], report.exit_code) == (f"abalone: {word}", exit_code)


# -- what stays


def objects(number, size):
    return [{"Key": f"k{one}", "Size": size, "LastModified": NOON + timedelta(seconds=one)} for one in range(number)]


def listed(stubs, prefix, contents, bucket=BUCKET):
    answer = {"Contents": contents, "IsTruncated": False}
    stubs["s3"].add_response("list_objects_v2", answer, {"Bucket": bucket, "Prefix": prefix})


def no_api(stubs):
    there_is_none = ("ValidationError", "Stack with id api-byoc-abalone does not exist")
    stubs["cloudformation"].add_client_error("describe_stacks", *there_is_none)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (
            "UPDATE_COMPLETE",
            [
                "- its API, the stack api-byoc-abalone, open to all and with nothing to call: billed by requests",
                "    make destroy API=abalone",
            ],
        ),
        ("REVIEW_IN_PROGRESS", []),
    ],
)
def test_an_api_stays_and_is_told_unless_it_was_only_planned(aws, state, told):
    client, stubs = aws
    stacks = {"Stacks": [{"StackName": "api-byoc-abalone", "CreationTime": NOON, "StackStatus": state}]}
    stubs["cloudformation"].add_response("describe_stacks", stacks, {"StackName": "api-byoc-abalone"})
    listed(stubs, "stages/abalone/", [])

    stays = kept_by(stage_of("batch", image=OF_OTHERS, model=None), ACCOUNT, BUCKET, client)
    assert [line for one in stays for line in str(one).splitlines()] == told


def test_what_stays_is_told_with_its_size_and_the_command_that_removes_it(aws):
    client, stubs = aws
    no_api(stubs)
    sizes = {"imageDetails": [{"imageSizeInBytes": 100 << 20}, {"imageSizeInBytes": 50 << 20}]}
    stubs["ecr"].add_response("describe_images", sizes, {"repositoryName": "abalone"})
    listed(stubs, "stages/abalone/", objects(1, 2000))
    listed(stubs, "models/abalone/", objects(2, 3 << 20))
    stubs["logs"].add_response("describe_log_groups", {"logGroups": [{"logGroupName": GROUP, "retentionInDays": 30}]})
    stage = stage_of("instance", image="abalone:1")

    assert [str(one) for one in kept_by(stage, ACCOUNT, BUCKET, client)] == [
        (
            "- the images in abalone, which other stages may use: 150.0 MB, billed by size and month\n"
            "    aws ecr delete-repository --force --repository-name abalone --region eu-west-1"
        ),
        (
            f"- what the stage read and wrote, in s3://{BUCKET}/stages/abalone/: 1 object, 2,000 bytes, "
            "billed by size and month\n"
            f"    aws s3 rm --recursive s3://{BUCKET}/stages/abalone/"
        ),
        (
            f"- its models, which other stages may use, in s3://{BUCKET}/models/abalone/: 2 objects, 6.0 MB, "
            "billed by size and month\n"
            f"    aws s3 rm --recursive s3://{BUCKET}/models/abalone/"
        ),
        (
            f"- the logs in {GROUP}: billed by size and month, each line for 30 days\n"
            f"    aws logs delete-log-group --log-group-name {GROUP} --region eu-west-1"
        ),
    ]


def test_what_is_not_there_does_not_stay(aws):
    client, stubs = aws
    no_api(stubs)
    stubs["ecr"].add_client_error("describe_images", "RepositoryNotFoundException")
    listed(stubs, "stages/abalone/", [])
    stubs["logs"].add_response("describe_log_groups", {"logGroups": [{"logGroupName": f"{GROUP}-2"}]})
    stage = stage_of("serverless", image="abalone:1", model="s3://theirs/model.tar.gz")

    assert list(kept_by(stage, ACCOUNT, BUCKET, client)) == []


OF_OTHERS = "999999999999.dkr.ecr.eu-west-1.amazonaws.com/abalone:1"


@pytest.mark.parametrize(
    ("option", "settings", "named"),
    [
        ("instance", {"capture": {"percent": 1, "destination": "s3://theirs/seen"}}, ["seen/"]),
        (
            "asynchronous",
            {"asynchronous": {"input": "s3://theirs/in", "output": "s3://theirs/out/", "failures": "s3://theirs"}},
            ["in/", "out/", ""],
        ),
        ("asynchronous", {"asynchronous": {"output": "s3://theirs/a", "failures": "s3://theirs/a/"}}, ["a/"]),
        ("batch", {"batch": {"input": "s3://theirs/rows", "output": "s3://theirs/rings"}}, ["rings/"]),
        ("batch", {"batch": {"output": f"s3://{BUCKET}/stages/abalone/mine"}}, []),
    ],
)
def test_what_lies_where_the_stages_file_says_is_told_too(aws, option, settings, named):
    client, stubs = aws
    no_api(stubs)
    listed(stubs, "stages/abalone/", [])
    for prefix in named:
        listed(stubs, prefix, objects(1, 7), "theirs")
    if option != "batch":
        stubs["logs"].add_response("describe_log_groups", {"logGroups": []})
    stage = stage_of(option, image=OF_OTHERS, model=None, **settings)

    assert [str(one) for one in kept_by(stage, ACCOUNT, BUCKET, client)] == [
        (
            f"- what the stage read or wrote where its file says, which others may use, in s3://theirs/{prefix}: "
            "1 object, 7 bytes, billed by size and month\n"
            f"    aws s3 rm --recursive s3://theirs/{prefix}"
        )
        for prefix in named
    ]


def test_in_a_bucket_that_is_not_there_nothing_stays(aws):
    client, stubs = aws
    no_api(stubs)
    stubs["s3"].add_client_error("list_objects_v2", "NoSuchBucket", "The specified bucket does not exist")

    assert list(kept_by(stage_of("batch", image=OF_OTHERS, model=None), ACCOUNT, BUCKET, client)) == []


def test_images_of_another_account_and_logs_of_all_its_jobs_are_not_a_stages_to_remove(aws):
    client, stubs = aws
    no_api(stubs)
    listed(stubs, "stages/abalone/", [])
    stage = stage_of("batch", image="999999999999.dkr.ecr.eu-west-1.amazonaws.com/abalone:1", model=None)

    assert list(kept_by(stage, ACCOUNT, BUCKET, client)) == []


def test_logs_that_are_kept_for_ever_say_so_and_very_many_objects_are_not_counted(aws):
    client, stubs = aws
    no_api(stubs)
    stubs["ecr"].add_client_error("describe_images", "RepositoryNotFoundException")
    listed(stubs, "stages/abalone/", objects(MANY + 5, 1 << 20))
    stubs["logs"].add_response("describe_log_groups", {"logGroups": [{"logGroupName": GROUP}]})
    stage = stage_of("instance", image="abalone:1", model=None)

    first, second = (one.cost for one in kept_by(stage, ACCOUNT, BUCKET, client))
    assert first == "more than 10,000 objects, more than 9.8 GB, billed by size and month"
    assert second == "billed by size and month, for ever"


def test_what_may_not_be_looked_at_is_told_for_the_stage_is_gone_already(aws):
    client, stubs = aws
    stubs["cloudformation"].add_client_error("describe_stacks", "AccessDenied", "no DescribeStacks")
    stubs["ecr"].add_client_error("describe_images", "AccessDeniedException", "not authorized")
    for _ in range(2):
        stubs["s3"].add_client_error("list_objects_v2", "AccessDenied", "denied")
    stubs["logs"].add_client_error("describe_log_groups", "AccessDeniedException", "not allowed")

    api, ecr, s3, models, logs = (
        str(one) for one in kept_by(stage_of("instance", image="abalone:1"), ACCOUNT, BUCKET, client)
    )
    assert api.startswith("- perhaps something in CloudFormation, which cannot be looked at: ")
    assert "no DescribeStacks" in api
    assert ecr.startswith("- perhaps something in ECR, which cannot be looked at: ")
    assert "not authorized" in ecr
    assert s3.endswith(f"s3://{BUCKET}/stages/abalone/ cannot be listed: denied")
    assert models.endswith(f"s3://{BUCKET}/models/abalone/ cannot be listed: denied")
    assert "not allowed" in logs
