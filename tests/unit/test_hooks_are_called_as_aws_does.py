"""code/inference.py: hooks with the arguments, and the freedom in what they return, of AWS's toolkits."""

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from builders import ECHO, ask, folder, load, load_code, separate_imports
from serving.errors import ModelFailed, StartError
from serving.inference import Context, InferenceRequest


@pytest.fixture(autouse=True)
def _imports_of_its_own() -> Iterator[None]:
    with separate_imports():
        yield


def test_an_inference_py_of_the_aws_scikit_learn_container_runs_unchanged(tmp_path: Path) -> None:
    model = load_code(
        tmp_path,
        """
        import io, json, os
        import numpy as np
        import pandas as pd

        def model_fn(model_dir):
            return {"folder": os.path.basename(model_dir), "factor": 2}

        def input_fn(input_data, content_type):
            if content_type == "text/csv":
                return pd.read_csv(io.StringIO(input_data), header=None)
            raise ValueError("{} not supported by script!".format(content_type))

        def predict_fn(input_data, model):
            return input_data.to_numpy() * model["factor"]

        def output_fn(prediction, accept):
            if accept == "application/json":
                return json.dumps({"instances": prediction.tolist()}), accept
            return "\\n".join(",".join(map(str, row)) for row in prediction), accept
        """,
    )
    found = ask(model, "1,2\n3,4\n", "text/csv; charset=utf-8", "application/json")
    assert json.loads(found.body) == {"instances": [[2, 4], [6, 8]]}
    assert found.content_type == "application/json"
    assert ask(model, "1,2\n", "text/csv", "text/csv").body == b"2,4"


@pytest.mark.parametrize("parameters", ["model_dir", "model_dir, context", "model_dir, context=None", "*anything"])
def test_model_fn_gets_the_folder_with_or_without_a_context(tmp_path: Path, parameters: str) -> None:
    model = load_code(
        tmp_path,
        f"""
        def model_fn({parameters}):
            return model_dir if "model_dir" in locals() else anything[0]

        def predict_fn(data, model):
            return model
        """,
    )
    assert ask(model, "[[1]]").body == json.dumps(str(tmp_path)).encode()


@pytest.mark.parametrize("extra", ["", ", context", ", context=None", ", *more", ", **options"])
def test_every_hook_may_take_a_context_or_not(tmp_path: Path, extra: str) -> None:
    model = load_code(
        tmp_path,
        f"""
        def model_fn(model_dir{extra}):
            return "model"

        def input_fn(body, content_type{extra}):
            return [body, content_type]

        def predict_fn(data, model{extra}):
            return [*data, model]

        def output_fn(prediction, accept{extra}):
            return "|".join([*prediction, accept])
        """,
    )
    assert ask(model, "a", "text/csv", "text/html").body == b"a|text/csv|model|text/html"


@pytest.mark.parametrize("extra", ["", ", context", ", context=None", ", *more", ", **options"])
def test_transform_fn_may_take_a_context_or_not(tmp_path: Path, extra: str) -> None:
    model = load_code(
        tmp_path,
        f"""
        def model_fn(model_dir):
            return "model"

        def transform_fn(model, body, content_type, accept{extra}):
            return "|".join([model, body, content_type, accept]), "text/html"
        """,
    )
    found = ask(model, "a", "text/csv", "application/json")
    assert (found.body, found.content_type) == (b"model|a|text/csv|application/json", "text/html")


def test_the_context_tells_folder_request_id_and_headers(tmp_path: Path) -> None:
    model = load_code(
        tmp_path,
        """
        def model_fn(model_dir, context):
            return context.system_properties

        def predict_fn(data, model, context):
            return [
                model,
                context.system_properties["model_dir"],
                context.get_request_id(),
                context.get_request_header(0, "x-amzn-sagemaker-custom-attributes"),
                context.get_request_header(0, "X-Absent"),
                context.get_all_request_header(0),
                context.request.content_type,
            ]
        """,
    )
    headers = {"X-Amzn-SageMaker-Custom-Attributes": "colour=red"}
    found = ask(model, "[[1]]", "application/json; x=y", request_id="id-1", headers=headers)
    folder_name = str(tmp_path)
    assert json.loads(found.body) == [
        {"model_dir": folder_name, "gpu_id": None},
        folder_name,
        "id-1",
        "colour=red",
        None,
        {"x-amzn-sagemaker-custom-attributes": "colour=red"},
        "application/json; x=y",
    ]


def test_a_context_without_a_request_has_no_headers() -> None:
    context = Context("/model")
    assert context.request == InferenceRequest(b"")
    assert (context.get_request_id(), context.get_all_request_header()) == ("", {})


def test_an_option_with_a_default_is_not_mistaken_for_the_context(tmp_path: Path) -> None:
    """AWS's scikit-learn container passes two arguments, so such hooks exist."""
    hook = "def predict_fn(data, model, threshold=0.5):\n    return [threshold]\n"
    assert ask(load_code(tmp_path, f"{ECHO}\n{hook}"), "[[1]]").body == b"[0.5]"


CALLABLES = {
    "an instance": """
        class Predictor:
            def __call__(self, data, model):
                return ["called"]

        predict_fn = Predictor()
        """,
    "a bound method": """
        class Predictor:
            def run(self, data, model, context):
                return ["called"]

        predict_fn = Predictor().run
        """,
    "a partial": """
        from functools import partial

        def run(answer, data, model):
            return [answer]

        predict_fn = partial(run, "called")
        """,
    "a partial by name": """
        from functools import partial

        def run(data, model, answer):
            return [answer]

        predict_fn = partial(run, answer="called")
        """,
    "a lambda": """
        predict_fn = lambda data, model: ["called"]
        """,
    "a class": """
        class predict_fn(list):
            def __init__(self, data, model):
                super().__init__(["called"])
        """,
    "a decorated function": """
        from functools import wraps

        def logged(hook):
            @wraps(hook)
            def inner(*arguments, **options):
                return hook(*arguments, **options)
            return inner

        @logged
        def predict_fn(data, model):
            return ["called"]
        """,
}


@pytest.mark.parametrize("kind", CALLABLES)
def test_whatever_can_be_called_can_be_a_hook(tmp_path: Path, kind: str) -> None:
    assert ask(load_code(tmp_path, ECHO + dedent(CALLABLES[kind])), "[[1]]").body == b'["called"]'


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("text/csv", "str"),
        ("application/json", "str"),
        ("TEXT/CSV; charset=utf-8", "str"),
        (None, "str"),
        ("application/x-npy", "bytes"),
        ("application/jsonlines", "bytes"),
        ("text/plain", "bytes"),
        ("image/png", "bytes"),
        ("application/octet-stream", "bytes"),
    ],
)
@pytest.mark.parametrize("hook", ["input_fn", "transform_fn"])
def test_csv_and_json_come_as_text_and_all_else_as_bytes(
    tmp_path: Path, hook: str, content_type: str | None, kind: str
) -> None:
    hooks = {
        "input_fn": f"{ECHO}\ndef input_fn(body, content_type):\n    return type(body).__name__\n"
        "def output_fn(prediction, accept):\n    return prediction\n",
        "transform_fn": "def model_fn(model_dir):\n    return 1\n"
        "def transform_fn(model, body, content_type, accept):\n    return type(body).__name__\n",
    }
    assert ask(load_code(tmp_path, hooks[hook]), b"1", content_type).body == kind.encode()


def test_text_is_decoded_with_the_callers_charset(tmp_path: Path) -> None:
    model = load_code(tmp_path, f"{ECHO}\ndef input_fn(body, content_type):\n    return [body]\n")
    assert ask(model, "Köln".encode("latin-1"), "text/csv; charset=latin-1").body == '["Köln"]'.encode()


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("TEXT/CSV; charset=utf-8", "text/csv"),
        (None, "application/json"),
        ("image/png", "image/png"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("text/json", "text/json"),
    ],
)
def test_input_fn_gets_the_callers_own_type_in_lower_case_without_parameters(
    tmp_path: Path, sent: str | None, seen: str
) -> None:
    model = load_code(tmp_path, f"{ECHO}\ndef input_fn(body, content_type):\n    return [content_type]\n")
    assert json.loads(ask(model, b"1", sent).body) == [seen]


@pytest.mark.parametrize(
    ("accept", "seen"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("text/csv;q=0.1, image/png", "image/png"),
        ("application/json; charset=utf-8", "application/json"),
    ],
)
def test_output_fn_gets_the_most_wanted_type_or_the_default(tmp_path: Path, accept: str | None, seen: str) -> None:
    found = ask(
        load_code(tmp_path, f"{ECHO}\ndef output_fn(prediction, accept):\n    return accept\n"), "[[1]]", None, accept
    )
    assert (found.body, found.content_type) == (seen.encode(), seen)


def test_the_operators_default_accept_reaches_output_fn(tmp_path: Path) -> None:
    code = f"{ECHO}\ndef output_fn(prediction, accept):\n    return accept\n"
    model = load_code(tmp_path, code, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/html")
    assert ask(model, "[[1]]").body == b"text/html"


@pytest.mark.parametrize(
    ("returned", "body", "content_type"),
    [
        ("'text'", b"text", "application/json"),
        ("'sch\u00f6n'", "schön".encode(), "application/json"),
        ("b'bytes'", b"bytes", "application/json"),
        ("bytearray(b'bytes')", b"bytes", "application/json"),
        ("('text', 'text/html')", b"text", "text/html"),
        ("(b'bytes', accept)", b"bytes", "application/json"),
        ("('', accept)", b"", "application/json"),
    ],
)
def test_output_fn_returns_a_body_or_a_body_and_its_type(
    tmp_path: Path, returned: str, body: bytes, content_type: str
) -> None:
    model = load_code(tmp_path, f"{ECHO}\ndef output_fn(prediction, accept):\n    return {returned}\n")
    found = ask(model, "[[1]]")
    assert (found.body, found.content_type) == (body, content_type)


@pytest.mark.parametrize("hook", ["output_fn(prediction, accept)", "transform_fn(model, body, content_type, accept)"])
def test_a_flask_like_response_is_a_body_and_its_type(tmp_path: Path, hook: str) -> None:
    model = load_code(
        tmp_path,
        f"""
        from flask import Response

        def model_fn(model_dir):
            return "model"

        class Pass:
            def predict(self, rows):
                return rows

        def model_fn(model_dir):
            return Pass()

        def {hook}:
            return Response(response="a,b", mimetype="text/csv")
        """,
    )
    found = ask(model, "[[1]]")
    assert (found.body, found.content_type) == (b"a,b", "text/csv; charset=utf-8")


@pytest.mark.parametrize(
    ("returned", "named"),
    [
        ("None", "NoneType"),
        ("[1, 2]", "list"),
        ("{'a': 1}", "dict"),
        ("1.5", "float"),
        ("(['a'], 'text/csv')", "list"),
        ("range(3)", "range"),
        ("('a', 400)", "int"),
        ("('a', None)", "NoneType"),
    ],
)
@pytest.mark.parametrize("hook", ["output_fn", "transform_fn"])
def test_what_cannot_be_sent_is_500_and_named(tmp_path: Path, hook: str, returned: str, named: str) -> None:
    hooks = {
        "output_fn": f"{ECHO}\ndef output_fn(prediction, accept):\n    return {returned}\n",
        "transform_fn": f"def model_fn(model_dir):\n    return 1\ndef transform_fn(m, b, c, accept):\n"
        f"    return {returned}\n",
    }
    with pytest.raises(ModelFailed) as caught:
        ask(load_code(tmp_path, hooks[hook]), "[[1]]")
    assert caught.value.status == 500
    assert caught.value.message.startswith(f"{hook} returned ")
    assert named in caught.value.message


def test_hooks_that_are_missing_have_defaults(tmp_path: Path) -> None:
    model = load_code(
        tmp_path,
        """
        class Adder:
            def predict(self, rows):
                return rows.sum(axis=1)

        def model_fn(model_dir):
            return Adder()
        """,
    )
    assert ask(model, "1,2\n3,4\n", "text/csv", "text/csv").body == b"3.0\n7.0\n"


def test_input_fn_alone_feeds_the_models_own_method(tmp_path: Path) -> None:
    code = """
        class Upper:
            def predict(self, text):
                return [text.upper()]

        def model_fn(model_dir):
            return Upper()

        def input_fn(body, content_type):
            return body.decode()
        """
    assert ask(load_code(tmp_path, code), b"good", "application/x-anything").body == b'["GOOD"]'


@pytest.mark.parametrize("rivals", [["input_fn"], ["predict_fn"], ["output_fn"], ["input_fn", "output_fn"]])
def test_transform_fn_excludes_the_hooks_that_it_replaces(tmp_path: Path, rivals: list[str]) -> None:
    others = "\n".join(f"def {name}(a, b):\n    return a" for name in rivals)
    transform = "def model_fn(model_dir):\n    return 1\ndef transform_fn(m, b, c, a):\n    return b\n"
    with pytest.raises(StartError, match=f"defines transform_fn and {', '.join(rivals)}\\. Keep transform_fn, or"):
        load_code(tmp_path, transform + others)


@pytest.mark.parametrize(
    "hook",
    [
        "def model_fn(): ...",
        "def model_fn(model_dir, context, more): ...",
        "def input_fn(body): ...",
        "def predict_fn(data): ...",
        "def predict_fn(data, model, *, context): ...",
        "def output_fn(): ...",
        "def transform_fn(model, body): ...",
        "model_fn = 'model.joblib'",
        "predict_fn = None",
        "output_fn = 3",
    ],
)
def test_a_hook_that_cannot_be_called_is_refused_before_any_request(tmp_path: Path, hook: str) -> None:
    name = hook.removeprefix("def ").replace("(", " ").split()[0]
    with pytest.raises(StartError) as caught:
        load_code(tmp_path, f"{hook}\n")
    assert f"inference.py: {name}" in str(caught.value)
    assert f"Expected {name}(" in str(caught.value)


def test_the_file_with_the_hooks_may_have_another_name(tmp_path: Path) -> None:
    folder(tmp_path, {"code/entry_point.py": ECHO})
    assert ask(load(tmp_path, SAGEMAKER_PROGRAM="entry_point.py"), "[[1.0]]").body == b"[[1.0]]"


def test_the_code_may_be_in_another_folder(tmp_path: Path) -> None:
    folder(tmp_path, {"model/weights.txt": "2", "elsewhere/inference.py": ECHO})
    model = load(tmp_path / "model", SAGEMAKER_SUBMIT_DIRECTORY=str(tmp_path / "elsewhere"))
    assert ask(model, "[[1.0]]").body == b"[[1.0]]"


def test_an_s3_address_of_the_code_is_ignored(tmp_path: Path) -> None:
    model = load_code(tmp_path, ECHO, SAGEMAKER_SUBMIT_DIRECTORY="s3://bucket/source.tar.gz")
    assert ask(model, "[[1.0]]").body == b"[[1.0]]"


@pytest.mark.parametrize(
    ("prediction", "body"),
    [("{'scores': np.array([0.5])}", b'{"scores": [0.5]}'), ("[np.float32(0.5)]", b"[0.5]")],
)
def test_predict_fn_may_return_numpy_values_inside_python_ones(tmp_path: Path, prediction: Any, body: bytes) -> None:
    hook = f"import numpy as np\n{ECHO}\ndef predict_fn(data, model):\n    return {prediction}\n"
    assert ask(load_code(tmp_path, hook), "[[1]]").body == body


def test_a_program_that_is_no_python_file_is_refused(tmp_path: Path) -> None:
    folder(tmp_path, {"code/handlers.txt": ECHO})
    with pytest.raises(StartError, match=r"handlers\.txt is not a Python file\. Name one with SAGEMAKER_PROGRAM\."):
        load(tmp_path, SAGEMAKER_PROGRAM="handlers.txt")
