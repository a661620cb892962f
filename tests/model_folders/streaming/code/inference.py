"""A model that answers in parts: each request is a JSON object with the headers to set and the parts to send."""

import json
import os
import signal
import threading
import time
from pathlib import Path


def model_fn(model_dir):
    return "a model"


def transform_fn(model, input_data, content_type, accept, context):
    orders = json.loads(input_data)
    for name, value in orders.get("headers", {}).items():
        context.set_response_header(0, name, value)
    for order, argument in orders.get("first", {}).items():
        ORDERS[order](argument)
    if "parts" in orders:
        return parts_in(orders, context), orders.get("content_type", "text/plain")
    seen = {name: value for name, value in context.get_all_request_header(0).items() if "sagemaker" in name}
    return json.dumps({"pid": os.getpid(), "seen": seen}), "application/json"


def parts_in(orders, context):
    """Yield each text; carry out each order between them."""
    try:
        for step in orders["parts"]:
            if isinstance(step, str):
                yield step
            elif "for_ever" in step:
                while True:
                    yield step["for_ever"]
            elif "header" in step:
                context.set_response_header(0, step["header"], "late")
            else:
                for order, argument in step.items():
                    ORDERS[order](argument)
    finally:
        hub = threading.current_thread() is threading.main_thread()
        print(json.dumps({"message": "closed", "in_the_hub": hub}), flush=True)


def wait_for(gate):
    while not Path(gate).exists():
        time.sleep(0.02)


def fail(reason):
    raise RuntimeError(reason)


ORDERS = {
    "say": lambda words: print(words, flush=True),
    "wait_for": wait_for,
    "touch": lambda path: Path(path).touch(),
    "remove": lambda path: Path(path).unlink(),
    "sleep": time.sleep,
    "raise": fail,
    "kill": lambda argument: os.kill(os.getpid(), signal.SIGKILL),
}
