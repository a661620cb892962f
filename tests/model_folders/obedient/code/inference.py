"""A model that does as it is told: each request is a JSON object of orders, each answer says what was seen."""

import ctypes
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path


def model_fn(model_dir):
    # Set by tests of the start-up: how long loading takes.
    time.sleep(float(os.environ.get("SERVING_TEST_LOAD_SECONDS", "0")))
    # And what it waits for: as long as this file is there, nothing is loaded.
    while os.path.exists(os.environ.get("SERVING_TEST_GATE", "")):
        time.sleep(0.05)
    return {"loaded_by": os.getpid(), "calls": 0}


def input_fn(input_data, content_type):
    return json.loads(input_data)


def predict_fn(orders, model):
    time.sleep(orders.get("sleep", 0))
    if "hold_gil" in orders:
        ctypes.PyDLL(None).usleep(int(orders["hold_gil"] * 1e6))  # PyDLL, unlike CDLL, keeps the lock
    if "compute" in orders:
        deadline = time.monotonic() + orders["compute"]
        while time.monotonic() < deadline:
            sum(range(1000))
    if "kill_once" in orders and not Path(orders["kill_once"]).exists():
        Path(orders["kill_once"]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if "touch" in orders:
        Path(orders["touch"]).touch()
    if "remove" in orders:
        Path(orders["remove"]).unlink()
    if "kill" in orders:
        os.kill(os.getpid(), signal.SIGKILL)
    if "orphan" in orders and os.fork() == 0:
        if os.fork() == 0:
            time.sleep(orders["orphan"])
        os._exit(0)
    if "raise" in orders:
        raise RuntimeError(f"told to: {orders['raise']}")
    model["calls"] += 1
    return {"orders": orders, "loaded_by": model["loaded_by"], "pid": os.getpid(), "real": is_real()}


def is_real():
    """Tell whether threads, locks and sockets are Python's own, not gevent's."""
    modules = (type(threading.Lock()).__module__, socket.socket.__module__, time.sleep.__module__)
    return not any("gevent" in module for module in modules)


def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
