"""Deployment guardrails: after an update the alarms are watched for a while."""

import time
from collections.abc import Mapping
from typing import Any

from aws.stand_in.fleet import POLL, Unhealthy


def bake(cloudwatch: Any, config: Mapping[str, Any] | None, longest: float) -> None:
    """Watch the alarms of a deployment; raise `Unhealthy` if one is in ALARM. The words are ours, AWS's unpublished."""
    rollback, policy = (
        (config or {}).get("AutoRollbackConfiguration", {}),
        (config or {}).get("BlueGreenUpdatePolicy", {}),
    )
    names = [alarm["AlarmName"] for alarm in rollback.get("Alarms", [])]
    if not names:
        return
    deadline = time.monotonic() + min(policy.get("TerminationWaitInSeconds", 0), longest)
    while True:
        alarms = cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]
        if ringing := [alarm["AlarmName"] for alarm in alarms if alarm["StateValue"] == "ALARM"]:
            raise Unhealthy(f"The update was rolled back, because alarms went off: {', '.join(ringing)}.")
        if time.monotonic() >= deadline:
            return
        time.sleep(POLL)
