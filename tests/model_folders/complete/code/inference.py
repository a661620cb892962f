"""A model without a model, to see everything an answer can be: normal, slow, streamed, broken, part of a session."""

import json
import time
import uuid
from datetime import UTC, datetime, timedelta

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
SESSION_ID = "X-Amzn-SageMaker-Session-Id"
CLOSED_SESSION_ID = "X-Amzn-SageMaker-Closed-Session-Id"


def model_fn(model_dir):
    return {"loaded_from": model_dir}


def transform_fn(model, input_data, content_type, accept, context):
    orders = json.loads(input_data)
    attributes = context.get_request_header(0, CUSTOM_ATTRIBUTES) or "model=complete"
    context.set_response_header(0, CUSTOM_ATTRIBUTES, attributes)
    if "break_after" in orders:
        return broken(orders["break_after"]), "application/jsonlines"
    if "stream" in orders:
        return streamed(orders["stream"], orders.get("seconds", 0)), "application/jsonlines"
    time.sleep(orders.get("sleep", 0))
    return json.dumps({"answer": "fine", **session(orders, context)}), "application/json"


def streamed(count, seconds):
    for number in range(count):
        if number:
            time.sleep(seconds)
        yield json.dumps({"part": number}) + "\n"


def broken(count):
    yield from streamed(count, 0)
    raise RuntimeError("broken, as ordered")


def session(orders, context):
    """Open or close a session; nothing is kept of it, for there is nothing to remember."""
    wanted, session_id = orders.get("requestType"), context.get_request_header(0, SESSION_ID)
    if wanted == "NEW_SESSION" and session_id == "NEW_SESSION":
        session_id = uuid.uuid4().hex
        expires = datetime.now(UTC) + timedelta(minutes=20)
        context.set_response_header(0, SESSION_ID, f"{session_id}; Expires={expires:%Y-%m-%dT%H:%M:%SZ}")
        return {"session": "opened"}
    if wanted == "CLOSE" and session_id:
        context.set_response_header(0, CLOSED_SESSION_ID, session_id)
        return {"session": "closed"}
    return {}
