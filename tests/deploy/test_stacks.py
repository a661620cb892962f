"""A stack is planned, changed and removed; whatever CloudFormation answers, the user is told what to do."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.stub import ANY, Stubber

from deploy.errors import NoLongerWaiting, Refused
from deploy.progress import Clock
from deploy.stack.change_sets import LARGEST, Change
from deploy.stack.stack import Stack

NAME = "byoc-abalone"
STACK_ID = f"arn:aws:cloudformation:eu-west-1:123456789012:stack/{NAME}/1a2b"
SET_ID = "arn:aws:cloudformation:eu-west-1:123456789012:changeSet/deploy-20261120-120000/3c4d"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TEMPLATE = {"Resources": {"Role": {"Type": "AWS::IAM::Role"}, "Model": {"Type": "AWS::SageMaker::Model"}}}
TAGS = {"stage": "abalone", "kind": "batch"}
ENDPOINT, STACK = "AWS::SageMaker::Endpoint", "AWS::CloudFormation::Stack"
BEFORE = {"id": "0", "name": NAME, "kind": STACK, "status": "REVIEW_IN_PROGRESS"}


class Told:
    """CloudFormation, answering from a script; what the user is told; a clock that does not go."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "cloudformation", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        self.cloudformation = Stubber(self.client)
        self.said: list[str] = []
        self.slept: list[float] = []
        self.history = [BEFORE]

    def stack(self, sleep=None):
        return Stack(self.client, "abalone", self.said.append, Clock(lambda: NOON, sleep or self.slept.append))

    def answer(self, operation, answer=None, **asked):
        self.cloudformation.add_response(operation, answer or {}, asked)

    def refuse(self, operation, message, code="ValidationError"):
        self.cloudformation.add_client_error(operation, code, message)

    # -- scripts

    def status(self, *statuses, stack=NAME, **more):
        for status in statuses:
            about = {"StackName": NAME, "StackId": STACK_ID, "CreationTime": NOON, "StackStatus": status, **more}
            self.answer("describe_stacks", {"Stacks": [about]}, StackName=stack)

    def absent(self):
        self.refuse("describe_stacks", f"Stack with id {NAME} does not exist")

    def events(self, *newest_first, stack=STACK_ID):
        told = [
            {
                "EventId": event["id"],
                "StackId": STACK_ID,
                "StackName": NAME,
                "LogicalResourceId": event["name"],
                "ResourceType": event["kind"],
                "ResourceStatus": event["status"],
                "Timestamp": NOON + timedelta(seconds=int(event["id"])),
                **({"ResourceStatusReason": event["reason"]} if "reason" in event else {}),
            }
            for event in newest_first
        ]
        self.answer("describe_stack_events", {"StackEvents": told}, StackName=stack)

    def change_set(self, kind="UPDATE", *, status="CREATE_COMPLETE", reason=""):
        asked = {
            "StackName": NAME,
            "ChangeSetName": "deploy-20261120-120000",
            "ChangeSetType": kind,
            "TemplateBody": json.dumps(TEMPLATE, separators=(",", ":")),
            "Capabilities": ["CAPABILITY_IAM"],
            "Tags": [{"Key": "stage", "Value": "abalone"}, {"Key": "kind", "Value": "batch"}],
        }
        self.answer("create_change_set", {"Id": SET_ID, "StackId": STACK_ID}, **asked)
        self.answer("describe_change_set", {"Status": "CREATE_IN_PROGRESS"}, ChangeSetName=SET_ID)
        self.answer("describe_change_set", {"Status": status, "StatusReason": reason}, ChangeSetName=SET_ID)
        if status == "CREATE_COMPLETE":
            self.answer("describe_change_set", {"Status": status, "Changes": [MODEL_CHANGES]}, ChangeSetName=SET_ID)

    def no_longer_wanted(self, *, stack_too=False):
        self.answer("delete_change_set", ChangeSetName=SET_ID)
        if stack_too:
            self.answer("delete_stack", StackName=STACK_ID)
            self.status("DELETE_COMPLETE", stack=STACK_ID)

    def executed(self, *statuses_and_events):
        """Script the execution: a status and what happened since the last, the newest first."""
        self.events(*self.history)
        self.answer("execute_change_set", ChangeSetName=SET_ID)
        self.goes_on(*statuses_and_events)

    def goes_on(self, *statuses_and_events):
        for status, events in statuses_and_events:
            self.history = [*events, *self.history]
            self.status(status, stack=STACK_ID)
            self.events(*self.history)


MODEL_CHANGES = {
    "Type": "Resource",
    "ResourceChange": {
        "Action": "Modify",
        "LogicalResourceId": "Model",
        "ResourceType": "AWS::SageMaker::Model",
        "Replacement": "True",
        "Details": [
            {"Target": {"Attribute": "Properties", "Name": "PrimaryContainer"}},
            {"Target": {"Attribute": "Properties", "Name": "PrimaryContainer"}},
            {"Target": {"Attribute": "Tags"}},
        ],
    },
}
REPLACED = Change("Modify", "Model", "AWS::SageMaker::Model", "True", ("PrimaryContainer", "Tags"))


def event(number, name, status, reason="", kind=ENDPOINT):
    return {"id": str(number), "name": name, "kind": kind, "status": status, "reason": reason}


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told()
    with told.cloudformation:
        yield told
        told.cloudformation.assert_no_pending_responses()
    told.client.close()


@contextmanager
def refused(kind=Refused) -> Iterator[list[str]]:
    lines: list[str] = []
    with pytest.raises(kind) as caught:
        yield lines
    lines.extend(caught.value.lines)


# -- what there is


def test_a_stack_that_is_not_there_does_not_exist(told):
    told.absent()
    told.absent()

    assert told.stack().status() == "ABSENT"
    assert not told.stack().exists()


@pytest.mark.parametrize(
    ("status", "exists", "is_live"),
    [
        ("CREATE_COMPLETE", True, True),
        ("UPDATE_ROLLBACK_COMPLETE", True, True),
        ("ROLLBACK_COMPLETE", True, False),
        ("REVIEW_IN_PROGRESS", False, False),
    ],
)
def test_a_stack_is_live_if_it_can_be_updated(told, status, exists, is_live):
    told.status(status, status)
    stack = told.stack()

    assert (stack.exists(), stack.is_live()) == (exists, is_live)


def test_whatever_else_cloudformation_refuses_is_not_taken_for_absence(told):
    told.refuse("describe_stacks", "User is not authorized", "AccessDenied")

    with pytest.raises(told.client.exceptions.ClientError, match="not authorized"):
        told.stack().exists()


def test_a_stack_tells_what_it_is_made_of(told):
    told.status("CREATE_COMPLETE", Outputs=[{"OutputKey": "EndpointName", "OutputValue": "abalone"}])
    told.status("CREATE_COMPLETE", Tags=[{"Key": "kind", "Value": "instance"}])
    told.answer("get_template", {"TemplateBody": json.dumps(TEMPLATE)}, StackName=NAME, TemplateStage="Original")
    resource = {
        "LogicalResourceId": "Model",
        "ResourceType": "x",
        "Timestamp": NOON,
        "ResourceStatus": "CREATE_COMPLETE",
    }
    resources = {
        "StackResources": [{**resource, "PhysicalResourceId": "model-1"}, {**resource, "LogicalResourceId": "Role"}]
    }
    told.answer("describe_stack_resources", resources, StackName=NAME)
    stack = told.stack()

    assert stack.outputs() == {"EndpointName": "abalone"}
    assert stack.tags() == {"kind": "instance"}
    assert stack.template() == TEMPLATE
    assert stack.resources() == {"Model": "model-1", "Role": ""}


# -- planning


def test_a_plan_of_a_new_stack_leaves_nothing_behind(told):
    told.absent()
    told.change_set("CREATE")
    told.no_longer_wanted(stack_too=True)

    assert told.stack().plan(TEMPLATE, TAGS) == [REPLACED]
    assert told.slept == [2.0]


def test_a_plan_of_a_new_stack_is_over_when_its_stack_is_gone(told):
    told.absent()
    told.change_set("CREATE")
    told.answer("delete_change_set", ChangeSetName=SET_ID)
    told.answer("delete_stack", StackName=STACK_ID)
    told.status("REVIEW_IN_PROGRESS", "DELETE_IN_PROGRESS", "DELETE_COMPLETE", stack=STACK_ID)

    told.stack().plan(TEMPLATE, TAGS)
    assert told.slept == [2.0, 5.0, 5.0]


def test_a_plan_changes_nothing_of_a_stack_that_is_there(told):
    told.status("UPDATE_COMPLETE")
    told.change_set()
    told.no_longer_wanted()

    (change,) = told.stack().plan(TEMPLATE, TAGS)

    assert str(change) == "~ Model AWS::SageMaker::Model (PrimaryContainer, Tags): replaced by a new one"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (Change("Add", "Role", "AWS::IAM::Role"), "+ Role AWS::IAM::Role"),
        (Change("Remove", "Role", "AWS::IAM::Role"), "- Role AWS::IAM::Role"),
        (
            Change("Modify", "Endpoint", ENDPOINT, "Conditional", ("EndpointName",)),
            f"~ Endpoint {ENDPOINT} (EndpointName): perhaps replaced",
        ),
        (Change("Dynamic", "Role", "AWS::IAM::Role"), "Dynamic Role AWS::IAM::Role"),
    ],
)
def test_a_change_is_shown_in_a_line(change, line):
    assert str(change) == line


def test_a_stack_that_is_as_it_should_be_has_an_empty_plan(told):
    told.status("CREATE_COMPLETE")
    told.change_set(status="FAILED", reason="The submitted information didn't contain changes. Submit different...")
    told.no_longer_wanted()

    assert told.stack().plan(TEMPLATE, TAGS) == []


def test_a_plan_after_a_failed_first_try_is_everything(told):
    told.status("ROLLBACK_COMPLETE")

    assert [change.logical_id for change in told.stack().plan(TEMPLATE, TAGS)] == ["Role", "Model"]
    assert told.said == [f"{NAME} is what a failed try left (ROLLBACK_COMPLETE); it would be removed first."]


def test_a_template_that_cloudformation_does_not_take_leaves_nothing_behind(told):
    told.absent()
    told.change_set("CREATE", status="FAILED", reason="Template error: no such attribute")
    told.no_longer_wanted(stack_too=True)

    with refused() as lines:
        told.stack().plan(TEMPLATE, TAGS)
    assert lines == ["CloudFormation does not take the template:", "Template error: no such attribute"]


def test_a_template_that_is_too_large_is_refused_before_it_is_sent(told):
    told.absent()

    with refused() as lines:
        told.stack().plan({"Resources": {"Model": {"Type": "x" * LARGEST}}}, TAGS)
    assert lines == [
        "The template has 51,235 bytes, and CloudFormation takes 51,200.",
        "Fewer or shorter environment variables make it smaller; what is large belongs in the model folder.",
    ]


# -- changing


def test_a_new_stack_is_created_and_every_event_is_told_once(told):
    first = event(1, "Endpoint", "CREATE_IN_PROGRESS")
    last = event(64, "Endpoint", "CREATE_COMPLETE")
    told.absent()
    told.change_set("CREATE")
    told.executed(("CREATE_IN_PROGRESS", [first]), ("CREATE_IN_PROGRESS", []), ("CREATE_COMPLETE", [last]))

    assert told.stack().apply(TEMPLATE, TAGS) is True
    assert told.said == [
        f"12:00:01 Endpoint {ENDPOINT} CREATE_IN_PROGRESS",
        f"12:01:04 Endpoint {ENDPOINT} CREATE_COMPLETE",
    ]
    assert told.slept == [2.0, 5.0, 5.0]


def test_an_update_is_over_when_what_was_replaced_is_gone(told):
    told.status("CREATE_COMPLETE")
    told.change_set()
    told.executed(("UPDATE_IN_PROGRESS", []), ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", []), ("UPDATE_COMPLETE", []))

    assert told.stack().apply(TEMPLATE, TAGS) is True


def test_nothing_to_change_is_said_and_is_no_error(told):
    told.status("UPDATE_COMPLETE")
    told.change_set(status="FAILED", reason="No updates are to be performed.")
    told.no_longer_wanted()

    assert told.stack().apply(TEMPLATE, TAGS) is False
    assert told.said == [f"{NAME} is as it should be: nothing to change."]


def test_what_a_failed_first_try_left_is_removed_before_the_next(told):
    told.status("ROLLBACK_COMPLETE")
    told.status("ROLLBACK_COMPLETE")
    told.events(BEFORE)
    told.answer("delete_stack", StackName=STACK_ID)
    told.goes_on(("DELETE_COMPLETE", []))
    told.change_set("CREATE")
    told.executed(("CREATE_COMPLETE", []))

    assert told.stack().apply(TEMPLATE, TAGS) is True
    assert told.said == [f"{NAME} is what a failed try left (ROLLBACK_COMPLETE); removing it first."]


PING = "The primary container did not pass the ping health check."
FAILURES = [
    event(3, "Topic", "CREATE_FAILED", "Resource creation cancelled", "AWS::SNS::Topic"),
    event(2, "Endpoint", "CREATE_FAILED", PING),
    event(1, NAME, "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Endpoint].", STACK),
]
REASON = f"Endpoint ({ENDPOINT}): {PING}"


def test_a_first_try_that_fails_tells_the_reason_and_leaves_no_stack(told):
    told.absent()
    told.change_set("CREATE")
    told.executed(("ROLLBACK_COMPLETE", FAILURES))
    told.status("ROLLBACK_COMPLETE")
    told.events(*told.history)
    told.answer("delete_stack", StackName=STACK_ID)
    told.goes_on(("DELETE_COMPLETE", []))

    with refused() as lines:
        told.stack().apply(TEMPLATE, TAGS)
    assert lines == [f"{NAME} could not be created (ROLLBACK_COMPLETE):", REASON]
    assert (
        told.said[1]
        == f"12:00:02 Endpoint {ENDPOINT} CREATE_FAILED: The primary container did not pass the ping health check."
    )


def test_what_cannot_be_removed_after_a_failed_first_try_is_told_as_well(told):
    left = event(9, "Role", "DELETE_FAILED", "Cannot delete entity, must detach all policies first.", "AWS::IAM::Role")
    told.absent()
    told.change_set("CREATE")
    told.executed(("ROLLBACK_FAILED", FAILURES))
    told.status("ROLLBACK_FAILED")
    told.events(*told.history)
    told.answer("delete_stack", StackName=STACK_ID)
    told.goes_on(("DELETE_FAILED", [left]))

    with refused() as lines:
        told.stack().apply(TEMPLATE, TAGS)
    assert lines[:3] == [
        f"{NAME} could not be created (ROLLBACK_FAILED):",
        REASON,
        f"{NAME} could not be removed (DELETE_FAILED):",
    ]
    assert "must detach all policies first" in lines[3]


def test_an_update_that_fails_says_that_the_version_before_still_serves(told):
    told.status("CREATE_COMPLETE")
    told.change_set()
    told.executed(
        ("UPDATE_ROLLBACK_IN_PROGRESS", [event(1, "Endpoint", "UPDATE_FAILED", "An alarm went off.")]),
        ("UPDATE_ROLLBACK_COMPLETE", []),
    )

    with refused() as lines:
        told.stack().apply(TEMPLATE, TAGS)
    assert lines == [
        f"{NAME} could not be updated (UPDATE_ROLLBACK_COMPLETE); what served before still serves:",
        f"Endpoint ({ENDPOINT}): An alarm went off.",
    ]


def test_a_stack_that_somebody_removes_meanwhile_is_said_to_be_gone(told):
    told.status("CREATE_COMPLETE")
    told.change_set()
    told.executed(("DELETE_COMPLETE", []))

    with refused() as lines:
        told.stack().apply(TEMPLATE, TAGS)
    assert lines == [f"{NAME} is gone: somebody removed it meanwhile.", "make deploy STAGE=abalone"]


STUCK = [
    f"{NAME} is stuck: an update failed, and so did the way back (UPDATE_ROLLBACK_FAILED).",
    f"Endpoint ({ENDPOINT}): Could not go back.",
    "Remove the cause, then let CloudFormation try again:",
    f"aws cloudformation continue-update-rollback --stack-name {NAME} --region eu-west-1",
    "Or remove the whole stage, its endpoint too: make destroy STAGE=abalone",
]


def test_an_update_that_cannot_even_go_back_says_what_to_do(told):
    told.status("CREATE_COMPLETE")
    told.change_set()
    told.executed(("UPDATE_ROLLBACK_FAILED", [event(1, "Endpoint", "UPDATE_FAILED", "Could not go back.")]))

    with refused() as lines:
        told.stack().apply(TEMPLATE, TAGS)
    assert lines == STUCK


@pytest.mark.parametrize("ask", ["plan", "apply"])
def test_a_stack_that_is_stuck_says_why_and_what_to_do(told, ask):
    told.status("UPDATE_ROLLBACK_FAILED")
    told.events(
        event(4, "Endpoint", "UPDATE_FAILED", "Could not go back."),
        event(3, NAME, "UPDATE_IN_PROGRESS", "User Initiated", STACK),
        event(2, "Endpoint", "CREATE_FAILED", "Long ago."),
        stack=NAME,
    )

    with refused() as lines:
        getattr(told.stack(), ask)(TEMPLATE, TAGS)
    assert lines == STUCK


BUSY = [
    f"{NAME} is in the middle of something else (UPDATE_IN_PROGRESS).",
    "Somebody else works on it, or an earlier command of yours goes on.",
    "Wait until it is done, then try again: make status STAGE=abalone",
]


@pytest.mark.parametrize("ask", ["plan", "apply"])
def test_a_stack_that_somebody_else_works_on_is_left_alone(told, ask):
    told.status("UPDATE_IN_PROGRESS")

    with refused() as lines:
        getattr(told.stack(), ask)(TEMPLATE, TAGS)
    assert lines == BUSY


def test_somebody_who_was_quicker_is_noticed(told):
    told.status("UPDATE_COMPLETE")
    told.refuse("create_change_set", f"Stack:{STACK_ID} is in UPDATE_IN_PROGRESS state and can not be updated.")
    told.status("UPDATE_IN_PROGRESS")

    with refused() as lines:
        told.stack().apply(TEMPLATE, TAGS)
    assert lines == BUSY


def test_a_removal_that_failed_has_to_be_finished_first(told):
    told.status("DELETE_FAILED")

    with refused() as lines:
        told.stack().apply(TEMPLATE, TAGS)
    assert lines == [
        f"{NAME} was to be removed, and that failed half-way (DELETE_FAILED).",
        "Remove the rest first: make destroy STAGE=abalone",
    ]


def test_what_is_not_about_a_stack_at_work_is_not_taken_for_it(told):
    told.status("UPDATE_COMPLETE")
    told.refuse("create_change_set", "1 validation error detected: Value '' at 'tags.1.member.value'")

    with pytest.raises(told.client.exceptions.ClientError, match="1 validation error"):
        told.stack().apply(TEMPLATE, TAGS)


# -- waiting


def test_waiting_outlasts_a_service_that_has_no_time(told):
    told.status("CREATE_COMPLETE")
    told.change_set()
    told.events(BEFORE)
    told.answer("execute_change_set", ChangeSetName=SET_ID)
    told.refuse("describe_stacks", "Rate exceeded", "Throttling")
    told.status("UPDATE_COMPLETE", stack=STACK_ID)
    told.refuse("describe_stack_events", "Rate exceeded", "Throttling")
    told.events(BEFORE)

    assert told.stack().apply(TEMPLATE, TAGS) is True
    assert told.slept == [2.0, 5.0, 5.0]


def test_ctrl_c_ends_the_waiting_and_not_the_work(told):
    def pressed(seconds):
        if seconds == 5.0:
            raise KeyboardInterrupt

    told.status("CREATE_COMPLETE")
    told.change_set()
    told.executed(("UPDATE_IN_PROGRESS", []))

    with refused(NoLongerWaiting) as lines:
        told.stack(sleep=pressed).apply(TEMPLATE, TAGS)
    assert lines == [
        f"No longer waiting; AWS goes on with {NAME} by itself.",
        "See how it ends: make status STAGE=abalone",
        f"or: aws cloudformation describe-stack-events --stack-name {NAME} --region eu-west-1",
    ]


def test_ctrl_c_before_anything_is_done_leaves_nothing_behind(told):
    def pressed(seconds):
        raise KeyboardInterrupt

    told.absent()
    told.answer("create_change_set", {"Id": SET_ID, "StackId": STACK_ID}, **dict.fromkeys(ASKED, ANY))
    told.answer("describe_change_set", {"Status": "CREATE_PENDING"}, ChangeSetName=SET_ID)
    told.no_longer_wanted(stack_too=True)

    with pytest.raises(KeyboardInterrupt):
        told.stack(sleep=pressed).plan(TEMPLATE, TAGS)


ASKED = ("StackName", "ChangeSetName", "ChangeSetType", "TemplateBody", "Capabilities", "Tags")


# -- removing


def test_a_stack_that_is_not_there_is_removed_without_an_error(told):
    told.absent()

    assert told.stack().delete() is False


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_ROLLBACK_FAILED", "DELETE_FAILED"])
def test_a_stack_is_removed_whatever_became_of_it(told, status):
    told.status(status)
    told.events(BEFORE)
    told.answer("delete_stack", StackName=STACK_ID)
    told.goes_on(("DELETE_IN_PROGRESS", [event(1, "Endpoint", "DELETE_IN_PROGRESS")]), ("DELETE_COMPLETE", []))

    assert told.stack().delete() is True
    assert told.said == [f"12:00:01 Endpoint {ENDPOINT} DELETE_IN_PROGRESS"]


def test_a_removal_that_is_under_way_is_waited_for(told):
    told.status("DELETE_IN_PROGRESS")
    told.events(BEFORE)
    told.goes_on(("DELETE_COMPLETE", []))

    assert told.stack().delete() is True


def test_a_stack_of_which_there_is_only_a_plan_is_no_stage(told):
    told.status("REVIEW_IN_PROGRESS")
    told.events(BEFORE)
    told.answer("delete_stack", StackName=STACK_ID)
    told.goes_on(("DELETE_COMPLETE", []))

    assert told.stack().delete() is False


def test_a_removal_waits_for_nobody_elses_update(told):
    told.status("UPDATE_IN_PROGRESS")

    with refused() as lines:
        told.stack().delete()
    assert lines == BUSY


def test_a_removal_that_fails_says_why_and_what_to_do(told):
    told.status("CREATE_COMPLETE")
    told.events(BEFORE)
    told.answer("delete_stack", StackName=STACK_ID)
    told.goes_on(("DELETE_FAILED", [event(1, "Topic", "DELETE_FAILED", "Access denied.", "AWS::SNS::Topic")]))

    with refused() as lines:
        told.stack().delete()
    assert lines == [
        f"{NAME} could not be removed (DELETE_FAILED):",
        "Topic (AWS::SNS::Topic): Access denied.",
        "What is left may still be billed. Remove the cause, then do it again; what is gone is passed over:",
        "make destroy STAGE=abalone",
    ]
