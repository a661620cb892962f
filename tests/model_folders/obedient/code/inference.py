"""A model that does as it is told: each request is a JSON object of orders, each answer says what was seen."""

import ctypes
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path


def model_fn(model_dir):
    # Set by tests of the start-up: how long loading takes.
    time.sleep(float(os.environ.get("SERVING_TEST_LOAD_SECONDS", "0")))
    # And what it waits for: as long as this file is there, nothing is loaded.
    while Path(os.environ.get("SERVING_TEST_GATE", "/no/such/file")).exists():
        time.sleep(0.05)
    return {"loaded_by": os.getpid()}


def input_fn(input_data, content_type):
    return json.loads(input_data)


def predict_fn(orders, model):
    for order, argument in orders.items():
        if order in ORDERS:
            ORDERS[order](argument)
    return {"orders": orders, "loaded_by": model["loaded_by"], "pid": os.getpid(), "real": is_real()}


def hold_gil(seconds):
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))  # PyDLL, unlike CDLL, keeps the lock


def compute(seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        sum(range(1000))


def kill(argument):
    os.kill(os.getpid(), signal.SIGKILL)


def kill_once(marker):
    if not Path(marker).exists():
        Path(marker).touch()
        kill(marker)


def orphan(seconds):
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(seconds)
        os._exit(0)


def fail(reason):
    raise RuntimeError(reason)


def say(words):
    print(words, file=sys.stderr, flush=True)


ORDERS = {
    "say": say,
    "sleep": time.sleep,
    "hold_gil": hold_gil,
    "compute": compute,
    "kill": kill,
    "kill_once": kill_once,
    "orphan": orphan,
    "raise": fail,
    "touch": lambda path: Path(path).touch(),
    "remove": lambda path: Path(path).unlink(),
}


def is_real():
    """Tell whether threads, locks and sockets are Python's own, not gevent's."""
    modules = (type(threading.Lock()).__module__, socket.socket.__module__, time.sleep.__module__)
    return not any("gevent" in module for module in modules)


def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
