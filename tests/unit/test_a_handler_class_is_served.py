"""A class in code/inference.py with `initialize` and `inference` works like the hooks that it stands for."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import ECHO, ask, folder, load, load_code, separate_imports
from serving.batch_proof import judge
from serving.errors import BadRequest, ModelFailed, NotAcceptable, RequestError, StartError
from serving.samples import find_samples, replay

DOUBLING = """
class Doubling:
    def initialize(self, model_dir):
        self.factor = 2

    def inference(self, inputs):
        return {"doubled": [self.factor * number for number in inputs["inputs"]]}
"""
# As the documentation of AWS's multi-model-server has it: lists with a place for each request.
MULTI_MODEL_SERVER = """
class ModelHandler(object):
    def __init__(self):
        self.initialized = False

    def initialize(self, context):
        self.model_dir = context.system_properties.get("model_dir")
        self.initialized = True

    def preprocess(self, data):
        return [request.get("body") or request.get("data") for request in data]

    def inference(self, model_input):
        return [len(text) for text in model_input]

    def postprocess(self, lengths):
        return [{"length": length} for length in lengths]

    def handle(self, data, context):
        return self.postprocess(self.inference(self.preprocess(data)))

_service = ModelHandler()

def handle(data, context):
    if not _service.initialized:
        _service.initialize(context)
    return None if data is None else _service.handle(data, context)
"""


@pytest.fixture(autouse=True)
def _imports_of_its_own() -> Iterator[None]:
    with separate_imports():
        yield


def handler(initialize: str = "self, model_dir", inference: str = "self, inputs", answer: str = "inputs") -> str:
    """Return a handler class with these parameters and this answer."""
    return f"""
class Handler:
    def initialize({initialize}):
        here = dict(locals())
        self.given = [here[name] for name in ("model_dir", "context", "ctx", "settings") if name in here]

    def inference({inference}):
        return {answer}
"""


def answer(root: Path, code: str, body: str = "[1]") -> object:
    return json.loads(ask(load_code(root, code), body).body)


def failure(root: Path, code: str, body: str = "[1]", content_type: str = "application/json") -> RequestError:
    with pytest.raises(RequestError) as raised:
        ask(load_code(root, code), body, content_type)
    return raised.value


def test_initialize_loads_and_inference_answers_a_json_request(tmp_path: Path) -> None:
    found = ask(load_code(tmp_path, DOUBLING), '{"inputs": [1, 2.5]}', "application/json")
    assert (found.body, found.content_type) == (b'{"doubled": [2, 5.0]}', "application/json")


def test_a_request_without_a_content_type_is_json(tmp_path: Path) -> None:
    assert answer(tmp_path, DOUBLING, '{"inputs": [1]}') == {"doubled": [2]}


def test_each_request_is_answered_by_the_one_handler_that_was_initialized(tmp_path: Path) -> None:
    counting = handler("self", answer="setattr(self, 'count', getattr(self, 'count', 0) + 1) or self.count")
    model = load_code(tmp_path, counting)
    assert [ask(model, "0").body for _ in range(3)] == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    "parameters", ["self, model_dir", "self, model_dir=None", "self, settings", "self, model_dir, *, option=1"]
)
def test_initialize_gets_the_folder(tmp_path: Path, parameters: str) -> None:
    assert answer(tmp_path, handler(parameters, answer="self.given")) == [str(tmp_path)]


@pytest.mark.parametrize("parameters", ["self, context", "self, ctx", "self, context=None"])
def test_initialize_gets_the_context_if_it_calls_it_so(tmp_path: Path, parameters: str) -> None:
    code = handler(parameters, answer="self.given[0].system_properties['model_dir']")
    assert answer(tmp_path, code) == str(tmp_path)


@pytest.mark.parametrize("parameters", ["self", "self, *anything", "self, **options"])
def test_initialize_may_take_nothing(tmp_path: Path, parameters: str) -> None:
    assert answer(tmp_path, handler(parameters, answer="self.given")) == []


@pytest.mark.parametrize("parameters", ["self, inputs, context", "self, inputs, ctx=None"])
def test_inference_may_take_the_context(tmp_path: Path, parameters: str) -> None:
    name = "ctx" if "ctx" in parameters else "context"
    model = load_code(tmp_path, handler(inference=parameters, answer=f"{name}.get_request_id()"))
    assert ask(model, "1", request_id="the id").body == b'"the id"'


def test_a_second_parameter_with_a_default_is_an_option_of_the_users_own(tmp_path: Path) -> None:
    assert answer(tmp_path, handler(inference="self, inputs, top=5", answer="top")) == 5


@pytest.mark.parametrize(
    ("content_type", "body", "kind"),
    [
        ("text/csv", "1,2", "str"),
        ("text/json", "[1]", "list"),
        ("text/plain", "a", "bytes"),
        ("a/b", "x", "bytes"),
    ],
)
def test_json_is_decoded_and_everything_else_is_as_input_fn_is_given_it(
    tmp_path: Path, content_type: str, body: str, kind: str
) -> None:
    model = load_code(tmp_path, handler(answer="type(inputs).__name__"))
    assert json.loads(ask(model, body, content_type).body) == kind


def test_numpy_values_in_the_answer_are_written_as_pythons(tmp_path: Path) -> None:
    code = "import numpy as np\n" + handler(answer='{"scores": np.array([0.5, np.nan]), "best": np.int64(3)}')
    assert answer(tmp_path, code) == {"scores": [0.5, None], "best": 3}


def test_an_inherited_method_counts(tmp_path: Path) -> None:
    files = {
        "code/base.py": "class Base:\n    def initialize(self, model_dir):\n        self.word = 'inherited'\n",
        "code/inference.py": """
            from base import Base

            class Handler(Base):
                def inference(self, inputs):
                    return self.word
        """,
    }
    assert ask(load(folder(tmp_path, files)), "1").body == b'"inherited"'


def test_a_base_class_beside_the_handler_is_no_second_one(tmp_path: Path) -> None:
    code = f"{handler()}\nclass Better(Handler):\n    def inference(self, inputs):\n        return 'better'\n"
    assert answer(tmp_path, code) == "better"


def test_a_class_whose_name_begins_with_an_underscore_is_none_of_the_servers_business(tmp_path: Path) -> None:
    helper = DOUBLING.replace("Doubling", "_Helper")
    code = f"{helper}\n{ECHO}"
    assert answer(tmp_path, code, "[[1]]") == [[1.0]]


def test_an_imported_class_is_not_taken_for_the_handler(tmp_path: Path) -> None:
    files = {"code/other.py": handler(), "code/inference.py": f"from other import Handler\n{DOUBLING}"}
    assert ask(load(folder(tmp_path, files)), '{"inputs": [1]}').body == b'{"doubled": [2]}'


def test_a_handler_of_awss_multi_model_server_runs_unchanged(tmp_path: Path) -> None:
    model = load_code(tmp_path, MULTI_MODEL_SERVER)
    assert ask(model, '"four"').body == b'{"length": 4}'
    assert ask(model, "seven..", "text/plain").body == b'{"length": 7}'


def test_handle_has_to_answer_with_a_list_of_one(tmp_path: Path) -> None:
    code = MULTI_MODEL_SERVER.replace("return self.postprocess", "return {}; self.postprocess")
    error = failure(tmp_path, code, '"four"')
    assert isinstance(error, ModelFailed)
    assert str(error) == "handle returned no list with one answer, for the one request that it was given."


def test_a_body_that_is_not_json_is_the_callers_fault(tmp_path: Path) -> None:
    error = failure(tmp_path, DOUBLING, "{")
    assert isinstance(error, BadRequest)
    assert str(error).startswith("The body is not JSON: ")


def test_an_answer_in_another_type_than_json_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(NotAcceptable, match="this model answers in application/json, application/jsonlines"):
        ask(load_code(tmp_path, DOUBLING), "not even JSON", "application/json", "text/csv")


def test_json_is_answered_to_who_takes_it_as_well(tmp_path: Path) -> None:
    found = ask(load_code(tmp_path, DOUBLING), '{"inputs": [1]}', None, "text/csv, application/json;q=0.5")
    assert (found.body, found.content_type) == (b'{"doubled": [2]}', "application/json")


def test_an_answer_may_be_a_json_line(tmp_path: Path) -> None:
    found = ask(load_code(tmp_path, DOUBLING), '{"inputs": [1]}', None, "application/jsonlines")
    assert found.body == b'{"doubled": [2]}\n'


def test_a_default_answer_that_is_not_json_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="without an output_fn there are only application/json, application/jsonlines"):
        load_code(tmp_path, DOUBLING, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv")


def test_inference_may_stream(tmp_path: Path) -> None:
    found = ask(load_code(tmp_path, handler(answer="({'part': part} for part in inputs)")), "[1, 2]")
    assert (found.read(), found.content_type) == (b'{"part": 1}\n{"part": 2}\n', "application/jsonlines")


def test_what_inference_raises_is_called_by_its_name(tmp_path: Path) -> None:
    error = failure(tmp_path, handler(answer="1 / 0"))
    assert (error.status, error.code) == (500, "model_failed")
    assert str(error) == "inference failed (ZeroDivisionError); the log has the details."


def test_an_exception_with_a_status_is_the_handlers_own_answer(tmp_path: Path) -> None:
    code = handler(answer="(_ for _ in ()).throw(Refused('Not this.'))")
    error = failure(tmp_path, f"class Refused(Exception):\n    status_code = 422\n{code}")
    assert (error.status, error.code, str(error)) == (422, "inference_refused", "Not this.")


def test_samples_are_answered_like_requests(tmp_path: Path) -> None:
    files = {
        "code/inference.py": DOUBLING,
        "samples/two.json": '{"inputs": [1, 2]}',
        "samples/two.expected.json": '{"doubled": [2, 5]}',
    }
    with pytest.raises(StartError, match=r"expected .*5.*, found .*4"):
        replay(load(folder(tmp_path, files)), find_samples(tmp_path))


def test_requests_that_are_objects_are_answered_one_by_one(tmp_path: Path) -> None:
    samples = {f"samples/{number}.json": json.dumps({"inputs": [number]}) for number in (1, 2)}
    model = load(folder(tmp_path, {"code/inference.py": DOUBLING, **samples}))
    verdict = judge(model, find_samples(tmp_path), 64, 5)
    assert (verdict.together, verdict.reason) == (False, "input_fn returns dict, which is not joined")


def test_requests_that_are_lists_are_answered_together_where_the_samples_prove_it(tmp_path: Path) -> None:
    samples = {f"samples/{number}.json": json.dumps([number, number + 1]) for number in (1, 5)}
    slow = handler(answer="[2 * number for number in inputs if not __import__('time').sleep(0.002 / len(inputs))]")
    model = load(folder(tmp_path, {"code/inference.py": slow, **samples}))
    assert judge(model, find_samples(tmp_path), 64, 5).together


def test_a_handler_that_wants_the_context_is_asked_one_request_at_a_time(tmp_path: Path) -> None:
    model = load_code(tmp_path, handler(inference="self, inputs, context"))
    assert model.one_at_a_time == "predict_fn takes the request's context"


def test_batch_transform_is_told_what_the_module_says(tmp_path: Path) -> None:
    code = f"{DOUBLING}\ndef execution_parameters_fn():\n    return {{'MaxPayloadInMB': 1}}\n"
    assert load_code(tmp_path, code).execution_parameters == {"MaxPayloadInMB": 1}


INITIALIZE = "    def initialize(self, model_dir):\n        pass\n"
INFERENCE = "    def inference(self, inputs):\n        return inputs\n"
MODEL_FN = "def model_fn(model_dir):\n    return 1\n"
NEW = "    def __init__(self, size):\n        pass\n"
CALLED_BY_NOBODY = "has {0}, but no handle that would call it. Define handle"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            f"{DOUBLING}\n{MODEL_FN}",
            "defines the handler class Doubling and model_fn. Keep the class, or the",
        ),
        (
            f"{DOUBLING}\nclass Second:\n{INITIALIZE}\n{INFERENCE}",
            "defines several handler classes: Doubling, Second. Keep one",
        ),
        (f"class Half:\n{INITIALIZE}", "the class Half has initialize, but no inference. Define inference too"),
        (f"class Half:\n{INFERENCE}", "the class Half has inference, but no initialize. Define initialize too"),
        (handler("self, one, two"), "Handler.initialize(self, one, two) has the wrong parameters. Expected initialize"),
        (handler("self, model_dir, *, needed"), "has the wrong parameters. Expected initialize(self) or initialize"),
        (handler(inference="self"), "Expected inference(self, inputs) or inference(self, inputs, context)"),
        (MULTI_MODEL_SERVER.replace("handle(self, data,", "handle(self, data, more,"), "handle(self, data, context)."),
        (f"{handler()}\n    def preprocess(self, data):\n        pass\n", CALLED_BY_NOBODY.format("preprocess")),
        (f"{handler()}\n    def postprocess(self, data):\n        pass\n", CALLED_BY_NOBODY.format("postprocess")),
        (
            handler().replace("dict(locals())", "self.missing"),
            "py, line 4: initialize failed: AttributeError",
        ),
        (f"{handler()}\n{NEW}", "initialize failed: TypeError: Handler.__init__() missing 1 required"),
    ],
)
def test_what_cannot_be_a_handler_ends_the_start(tmp_path: Path, code: str, message: str) -> None:
    with pytest.raises(StartError, match=re.escape(message)):
        load_code(tmp_path, code)


def test_half_a_handler_beside_hooks_is_a_class_of_the_users_own(tmp_path: Path) -> None:
    code = "class Network:\n    def inference(self, rows):\n        return rows\n"
    predict_fn = "def predict_fn(data, model):\n    return Network().inference(data)\n"
    assert answer(tmp_path, f"{code}\n{MODEL_FN}\n{predict_fn}", "[[1]]") == [[1.0]]
