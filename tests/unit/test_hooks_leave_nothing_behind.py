"""What a hook leaves in a global for a later one is seen in the user's code, as far as that shows it."""

import pytest

from builders import load_code, separate_imports
from serving.hook_globals import left_in_a_global
from serving.hooks import Hooks


@pytest.fixture(autouse=True)
def _separate_imports():
    with separate_imports():
        yield


def found_in(tmp_path, code):
    return left_in_a_global(load_code(tmp_path, f"def model_fn(model_dir): return 1\n{code}\n").hooks)


@pytest.mark.parametrize(
    "code",
    [
        """
kept = None
def input_fn(body, content_type):
    global kept
    kept = body
    return [body]
def output_fn(prediction, accept): return kept
def predict_fn(data, model): return data
""",
        """
def input_fn(body, content_type):
    global kept
    kept = body
    return [body]
def output_fn(prediction, accept, context): return (lambda: kept)()
def predict_fn(data, model): return data
""",
        """
kept = {}
def input_fn(body, content_type):
    kept["body"] = body
    return [body]
def predict_fn(data, model): return [kept["body"] for row in data]
""",
        """
kept = []
def remember(body): kept.append(body)
def recall(): return kept[-1]
def input_fn(body, content_type, context):
    remember(body)
    return [body]
def predict_fn(data, model): return data
def output_fn(prediction, accept): return recall()
""",
        """
import types
kept = types.SimpleNamespace()
def input_fn(body, content_type): return [body]
def predict_fn(data, model):
    kept.of.data = data
    return data
def output_fn(prediction, accept): return kept.of.data
""",
    ],
    ids=["set", "set in place of none", "an item", "by way of functions", "an attribute"],
)
def test_a_global_that_a_hook_changes_and_a_later_one_uses_is_named(tmp_path, code):
    assert found_in(tmp_path, code) == "kept"


@pytest.mark.parametrize(
    "code",
    [
        "def predict_fn(data, model): return data",
        """
LABELS = ["a", "b"]
def input_fn(body, content_type): return [LABELS.index(body)]
def predict_fn(data, model): return [LABELS[row] for row in data]
def output_fn(prediction, accept): return str(prediction)
""",
        """
count = 0
def input_fn(body, content_type):
    global count
    count += 1
    return [body]
def predict_fn(data, model): return data
def output_fn(prediction, accept): return str(prediction)
""",
        """
kept = {}
def input_fn(body, content_type):
    kept = {}
    kept["body"] = body
    return [kept]
def predict_fn(data, model): return data
def output_fn(prediction, accept): return str(kept)
""",
        """
import json
def input_fn(body, content_type): return json.loads(body)
def predict_fn(data, model):
    result = {}
    result.update(rows=data)
    return result["rows"]
def output_fn(prediction, accept): return json.dumps(prediction)
""",
        """
def input_fn(body, content_type): return [body]
def predict_fn(data, model): return data
def output_fn(prediction, accept):
    global kept
    kept = prediction
    return kept
""",
    ],
    ids=["no hooks", "a constant", "a counter of its own", "a local of the same name", "locals", "the last hook's"],
)
def test_what_no_later_hook_can_meet_is_nothing(tmp_path, code):
    assert found_in(tmp_path, code) is None


def test_what_has_no_source_is_not_looked_into():
    assert left_in_a_global(Hooks(input_fn=str, predict_fn=print, output_fn=repr)) is None
    made = {}
    exec("def input_fn(*_):\n    global kept\n    kept = 1\ndef output_fn(*_): return kept", made)
    assert left_in_a_global(Hooks(input_fn=made["input_fn"], output_fn=made["output_fn"])) is None


def test_a_function_around_a_hook_that_is_not_done_is_no_obstacle():
    def around():
        def hook(body, content_type):
            return later

        found = left_in_a_global(Hooks(input_fn=hook, output_fn=hook))
        later = 1
        return found, later

    assert around() == (None, 1)


HANDLER = """
class Handler:
    def read(self, body, content_type):
        self.type = content_type
        return [body]
    def write(self, prediction, accept): return f"{prediction} {self.type}"
handler = Handler()
def predict_fn(data, model): return data
"""


@pytest.mark.parametrize(
    "hooks",
    [
        "input_fn, output_fn = handler.read, handler.write",
        """
def input_fn(body, content_type): return handler.read(body, content_type)
def output_fn(prediction, accept): return handler.write(prediction, accept)
""",
        """
def input_fn(body, content_type, context): return handler.read(body, content_type)
def writer(): return lambda prediction, accept: handler.write(prediction, accept)
output_fn = writer()
""",
    ],
    ids=["methods", "functions that call methods", "one that takes the context, and a closure"],
)
def test_an_object_of_the_users_that_two_hooks_work_with_may_hold_something(tmp_path, hooks):
    assert found_in(tmp_path, f"{HANDLER}\n{hooks}\n") == "Handler"


def test_objects_of_libraries_and_classes_of_the_users_hold_nothing_that_is_known(tmp_path):
    code = """
import io, numpy
class Refused(ValueError): pass
rows = numpy.zeros(3)
def input_fn(body, content_type):
    if not body: raise Refused(io.DEFAULT_BUFFER_SIZE)
    return [rows]
def predict_fn(data, model): return data
def output_fn(prediction, accept):
    if not prediction: raise Refused(rows)
    return str(prediction)
"""
    assert found_in(tmp_path, code) is None


@pytest.mark.parametrize("put", ["kept.put(body)", "kept.put_nowait(body)"])
def test_a_queue_is_a_place_too(tmp_path, put):
    code = f"""
import queue
kept = queue.Queue()
def input_fn(body, content_type):
    {put}
    return [body]
def predict_fn(data, model): return data
def output_fn(prediction, accept): return kept.get()
"""
    assert found_in(tmp_path, code) == "kept"
