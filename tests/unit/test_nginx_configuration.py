"""The door: nginx's configuration for each kind of start, judged by nginx itself."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests

from ports import free_port
from server import until
from serving import nginx as door
from serving.answers import MAX_CONTENT_TYPE
from serving.overload_sign import sign_path
from serving.processes import nginx_command
from serving.response_headers import MAX_TOTAL
from serving.service import ANSWER_MARGIN
from serving.settings import MEGABYTE, Settings
from serving.suspects import FULL_WEIGHT

SOMEBODY = 12345  # a user that no machine has, as SageMaker may run the container
ENVIRONMENTS = {
    "as it is by default": {},
    "in batch transform": {"SAGEMAKER_BATCH": "true"},
    "without a limit on bodies": {"SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"},
    "with the shortest deadline": {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "2"},
    "with a long deadline": {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "3600"},
    "on another port": {"SAGEMAKER_BIND_TO_PORT": "9000"},
}
# Each of nginx's modules that buffers has a folder of its own, compiled in where the configuration names none.
WRITTEN = ("pid", *(f"{name}_temp_path" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")))
every_environment = pytest.mark.parametrize("environ", ENVIRONMENTS.values(), ids=ENVIRONMENTS)


def settings_from(environ: dict[str, str]) -> Settings:
    return Settings.from_environment({"SM_MODEL_DIR": "/models/mine", **environ})


def directives(configuration: str, name: str) -> list[str]:
    """Return the arguments of each directive of that name, comments left out."""
    code = re.sub(r"(^|\s)#.*", "", configuration)
    return re.findall(rf"(?:^|[\s{{}};]){name}\s+([^;{{]*);", code)


def seconds(configuration: str, name: str) -> float:
    (argument,) = set(directives(configuration, name))
    return float(argument.removesuffix("s"))


def gunicorn_settings(environ: dict[str, str]) -> dict[str, Any]:
    """Return what gunicorn.conf.py makes of the environment, from a process of its own."""
    program = (
        "import json, runpy, sys; settings = runpy.run_path(sys.argv[1]);"
        "print(json.dumps({name: settings[name] for name in ('timeout', 'keepalive', 'workers', 'bind')}))"
    )
    code = door.TEMPLATE.parent
    ran = subprocess.run(
        [sys.executable, "-c", program, str(code / "gunicorn.conf.py")],
        env={"PYTHONPATH": str(code), **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


@pytest.fixture
def run_dir_of() -> Iterator[Callable[..., Path]]:
    """Make run folders that belong to a user; pytest's own cannot be entered by others."""
    with contextlib.ExitStack() as stack:

        def make(user: int, suffix: str = "") -> Path:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(suffix=suffix)))
            os.chown(folder, user, -1)
            return folder

        yield make


def nginx_on(configuration: str, user: int | None = None) -> subprocess.CompletedProcess[str]:
    """Return what `nginx -t` says of the configuration, tested as that user."""
    user = os.geteuid() if user is None else user
    command = [*nginx_command(configuration, as_root=user == 0), "-t"]
    options = {} if user == os.geteuid() else {"user": user, "group": user, "extra_groups": []}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **options)


@every_environment
def test_no_placeholder_is_left(environ: dict[str, str], tmp_path: Path) -> None:
    assert "%{" not in door.render(settings_from(environ), 2, tmp_path)


def test_a_placeholder_without_a_value_is_an_error_not_an_empty_string(tmp_path: Path) -> None:
    template = tmp_path / "template"
    template.write_text("listen %{PROT};")
    with pytest.raises(KeyError, match="PROT"):
        door.render(settings_from({}), 2, tmp_path, template)


def test_nginxs_own_variables_are_left_alone(tmp_path: Path) -> None:
    template = tmp_path / "template"
    template.write_text("return 200 '$request_id ${host} 100% %{PORT}';")
    assert door.render(settings_from({}), 2, tmp_path, template) == "return 200 '$request_id ${host} 100% 8080';"


@pytest.mark.nginx
@pytest.mark.parametrize("workers", [1, 64])
@pytest.mark.parametrize("user", [0, SOMEBODY], ids=["root", "somebody"])
@every_environment
def test_nginx_accepts_its_configuration(
    environ: dict[str, str], user: int, workers: int, run_dir_of: Callable[..., Path]
) -> None:
    if os.geteuid() != 0 and user == 0:
        pytest.skip("this is not root")
    user = user if os.geteuid() == 0 else os.geteuid()
    run_dir = run_dir_of(user)
    template = Path(shutil.copy(door.TEMPLATE, run_dir))  # the checkout may be root's alone
    configuration = door.render(settings_from(environ), workers, run_dir, template)
    (run_dir / "nginx.conf").write_text(configuration)
    tested = nginx_on(run_dir / "nginx.conf", user)
    assert tested.returncode == 0, tested.stderr
    assert "[warn]" not in tested.stderr


@pytest.mark.nginx
@pytest.mark.parametrize("suffix", [" with a space", "'{};#"])
def test_nginx_accepts_a_run_folder_of_any_name(suffix: str, run_dir_of: Callable[..., Path]) -> None:
    """TMPDIR is the operator's to choose."""
    run_dir = run_dir_of(os.geteuid(), suffix)
    tested = nginx_on(door.write_configuration(settings_from({}), 2, run_dir))
    assert tested.returncode == 0, tested.stderr


def test_everything_that_nginx_writes_is_in_the_run_folder(tmp_path: Path) -> None:
    configuration = door.render(settings_from({}), 2, tmp_path)
    written = [path for name in WRITTEN for path in directives(configuration, name)]
    assert len(written) == len(WRITTEN)
    assert all(path.strip("\"'").startswith(f"{tmp_path}/") for path in written)
    assert directives(configuration, "error_log") == ["stderr warn"]
    door_log, *others = directives(configuration, "access_log")
    assert door_log == f'"{tmp_path}/door.log" door buffer=4k flush=200ms if=$answered_here'
    assert others == ["off", "off"]


@pytest.mark.parametrize(("megabytes", "expected"), [("0", 0), ("6", None), ("100", None)])
def test_nginx_and_the_application_have_the_same_limit(megabytes: str, expected: int | None, tmp_path: Path) -> None:
    settings = settings_from({"SAGEMAKER_MAX_PAYLOAD_IN_MB": megabytes})
    (limit,) = directives(door.render(settings, 2, tmp_path), "client_max_body_size")
    assert int(limit) == (settings.max_body_bytes if expected is None else expected)
    assert int(limit) == 0 or int(limit) >= int(megabytes) * MEGABYTE


@every_environment
def test_the_application_gives_up_before_nginx_and_nginx_before_gunicorn_kills_the_worker(
    environ: dict[str, str], tmp_path: Path
) -> None:
    settings = settings_from(environ)
    configuration = door.render(settings, 2, tmp_path)
    application = settings.timeout - ANSWER_MARGIN
    proxy = seconds(configuration, "proxy_read_timeout")
    heartbeat = gunicorn_settings(environ)["timeout"]
    assert 0 < application < settings.timeout < proxy < heartbeat
    assert seconds(configuration, "proxy_send_timeout") == proxy


def test_gunicorn_keeps_no_connection_itself() -> None:
    """The hot path keeps them until nginx closes them; what it does not serve closes its connection at once."""
    assert gunicorn_settings({})["keepalive"] == 0


def test_nginx_lets_go_of_slow_clients_before_it_is_killed_itself(tmp_path: Path) -> None:
    configuration = door.render(settings_from({}), 2, tmp_path)
    assert seconds(configuration, "worker_shutdown_timeout") == door.DRAIN_SECONDS


def test_no_answer_comes_from_gunicorn_without_a_length_or_chunks(tmp_path: Path) -> None:
    """In HTTP/1.0 the end of the connection would be the end of the body, also of one that broke off."""
    assert directives(door.render(settings_from({}), 1, tmp_path), "proxy_http_version") == ["1.1"]


def test_the_headers_of_hooks_have_room_beside_the_servers_own(tmp_path: Path) -> None:
    (size,) = directives(door.render(settings_from({}), 1, tmp_path), "proxy_buffer_size")
    assert int(size.removesuffix("k")) * 1024 >= MAX_TOTAL + MAX_CONTENT_TYPE + 1024


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_nginx_knows_each_workers_socket_and_the_one_that_gunicorn_holds(workers: int, tmp_path: Path) -> None:
    configuration = door.render(settings_from({}), workers, tmp_path)
    bound_by_gunicorn = gunicorn_settings(
        {"SERVING_RUN_DIR": str(tmp_path), "SAGEMAKER_MODEL_SERVER_WORKERS": str(workers)}
    )
    *own, shared = [server for server in directives(configuration, "server") if "unix:" in server]
    sockets = [f'"unix:{door.worker_socket(tmp_path, slot)}"' for slot in range(workers)]
    assert [server.split()[:2] for server in own] == [[socket, "max_fails=0"] for socket in sockets] * min(workers, 2)
    assert shared == f'"{bound_by_gunicorn["bind"]}" max_fails=0'
    assert bound_by_gunicorn["workers"] == workers


@pytest.mark.parametrize("workers", [2, 5, 96])
def test_nginx_asks_an_idle_worker_rather_than_the_next_one_within_64_bits(workers: int, tmp_path: Path) -> None:
    own = [server.split() for server in directives(door.render(settings_from({}), workers, tmp_path), "server")]
    weights = [int(words[2].removeprefix("weight=")) for words in own if words[-1] == "max_conns=2"]
    assert len(weights) == workers
    ordered = weights[: door.WARM_WORKERS]
    assert all(first >= door.WARMTH * second for first, second in pairwise(ordered))
    assert set(weights[door.WARM_WORKERS - 1 :]) <= {1}
    assert sum(weights) * door.WARM_REQUESTS < 2**63


@pytest.mark.parametrize(("seconds", "tries"), [("300", door.TRIES), ("0", 2)], ids=["quarantine", "no quarantine"])
def test_a_request_has_so_many_tries_and_no_more_whatever_the_number_of_workers(
    seconds: str, tries: int, tmp_path: Path
) -> None:
    """Without a quarantine an input that kills its workers kills two, each time that it is sent."""
    configuration = door.render(settings_from({"SERVING_QUARANTINE": seconds}), 5, tmp_path)
    assert directives(configuration, "proxy_next_upstream") == ["off"]
    assert directives(configuration, "proxy_pass") == ["http://least_busy_worker"] + ["http://any_worker"] * (tries - 1)
    error_pages = [words.split()[-1] for words in directives(configuration, "error_page") if words.startswith("502")]
    assert error_pages == [*(f"@try_{number}" for number in range(2, tries + 1)), "/_error/unavailable"]


def test_nginx_has_more_tries_than_an_input_has_deaths() -> None:
    assert FULL_WEIGHT < door.TRIES
    assert door.TRIES < 10  # internal redirects that nginx takes for a cycle


# -- what nginx itself answers


@pytest.mark.parametrize("code", door.error_bodies(settings_from({})))
def test_an_error_of_nginx_is_json_once_the_request_id_is_filled_in(code: str, tmp_path: Path) -> None:
    settings = settings_from({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "6"})
    text = door.error_bodies(settings)[code]
    assert not set("'\\") & set(text)  # both mean something inside nginx's quotes
    assert text.count("$") == 1
    assert f"'{text}'" in door.render(settings, 2, tmp_path)
    error = json.loads(text.replace("$answer_id", "an-id"))["error"]
    assert list(error) == ["code", "message", "request_id"]
    assert (error["code"], error["request_id"]) == (code, "an-id")


def listens_on(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10):
        return True
    return False


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A real nginx with nobody behind it, and a limit of 1 MB."""
    run_dir = tmp_path_factory.mktemp("run")
    port = free_port()
    settings = settings_from({"SAGEMAKER_BIND_TO_PORT": str(port), "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1"})
    command = nginx_command(door.write_configuration(settings, 2, run_dir), as_root=os.geteuid() == 0)
    (run_dir / "unhealthy.json").write_text(
        '{"error": {"code": "not_ready", "message": "loading", "request_id": null}}'
    )
    with (
        (run_dir / "log").open("wb") as log,
        subprocess.Popen(command, stderr=log) as nginx,
    ):
        url = f"http://127.0.0.1:{port}"

        try:
            until(lambda: listens_on(port), "nginx", 20)
            yield url, run_dir
        finally:
            nginx.terminate()


ERRORS = {
    "nobody is behind nginx": ("POST", {"data": b"1"}, 503, "unavailable"),
    "the body is too large": ("POST", {"data": bytes(2 * MEGABYTE)}, 413, "payload_too_large"),
    "a header is too large": ("POST", {"headers": {"X-Large": "x" * 20_000}}, 431, "headers_too_large"),
    "the headers are too many": (
        "POST",
        {"headers": {f"X-Large-{number}": "x" * 15_000 for number in range(12)}},
        431,
        "headers_too_large",
    ),
    "the headers contradict each other": ("POST", {"headers": {"Host": "a b"}}, 400, "bad_request"),
}


@pytest.mark.nginx
@pytest.mark.parametrize(("method", "request_", "status", "code"), ERRORS.values(), ids=ERRORS)
def test_an_error_of_nginx_is_an_answer_in_our_form(
    address: tuple[str, Path], method: str, request_: dict[str, Any], status: int, code: str
) -> None:
    url, _ = address
    answer = requests.request(method, f"{url}/invocations", timeout=10, **request_)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["error"]["request_id"]
    assert len(answer.content) < 1024


@pytest.mark.nginx
def test_an_unavailable_server_says_when_to_come_back(address: tuple[str, Path]) -> None:
    url, _ = address
    assert requests.post(f"{url}/invocations", data=b"1", timeout=10).headers["Retry-After"] == "1"


@pytest.fixture
def overloaded(address: tuple[str, Path]) -> Iterator[str]:
    """The address while the workers' sign hangs."""
    url, run_dir = address
    sign = sign_path(run_dir)
    sign.touch()
    yield url
    sign.unlink()


@pytest.mark.nginx
def test_while_the_sign_hangs_invocations_are_refused_as_a_worker_would(overloaded: str) -> None:
    for path in ("/invocations", "/invocations?a=b"):
        answer = requests.post(f"{overloaded}{path}", data=bytes(MEGABYTE), timeout=10)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
        assert "lower rate" in answer.json()["error"]["message"]
        assert answer.headers["Retry-After"] == "1"
        assert answer.headers["X-Request-Id"] == answer.json()["error"]["request_id"]


@pytest.mark.nginx
@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/execution-parameters", "unavailable"),
        ("/metrics", "unavailable"),
        ("/invocations", "unavailable"),  # GET, which a worker refuses with 405
        ("/ping", "not_ready"),
    ],
)
def test_the_sign_is_about_invocations_alone(overloaded: str, path: str, code: str) -> None:
    assert requests.get(f"{overloaded}{path}", timeout=10).json()["error"]["code"] == code


@pytest.mark.nginx
def test_a_drain_is_said_before_an_overload(overloaded: str, address: tuple[str, Path]) -> None:
    draining = address[1] / "draining"
    draining.touch()
    answer = requests.post(f"{overloaded}/invocations", data=b"1", timeout=10)
    draining.unlink()
    assert (answer.json()["error"]["code"], answer.headers["Connection"]) == ("unavailable", "close")


@pytest.mark.nginx
@pytest.mark.parametrize("sent", ["abc-123", "A.b:c_d", "x" * 64])
def test_the_callers_id_is_the_requests_id(address: tuple[str, Path], sent: str | bytes) -> None:
    url, _ = address
    headers = {"X-Amzn-SageMaker-Inference-Id": sent}
    answer = requests.post(f"{url}/invocations", headers=headers, timeout=10)
    assert answer.json()["error"]["request_id"] == sent


@pytest.mark.nginx
@pytest.mark.parametrize("sent", ['"}, "forged": {"', "x" * 65, "<script>", "a\\b", "ş".encode()])
def test_an_id_that_is_none_is_replaced(address: tuple[str, Path], sent: str | bytes) -> None:
    url, _ = address
    headers = {"X-Amzn-SageMaker-Inference-Id": sent}
    answer = requests.post(f"{url}/invocations", headers=headers, timeout=10)
    assert re.fullmatch("[0-9a-f]{32}", answer.json()["error"]["request_id"])


@pytest.mark.nginx
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ping_answers_with_the_verdict_without_asking_a_worker(address: tuple[str, Path], method: str) -> None:
    url, run_dir = address
    unhealthy = requests.request(method, f"{url}/ping", timeout=10)
    assert (unhealthy.status_code, unhealthy.json()["error"]["message"]) == (503, "loading")
    assert unhealthy.headers["Content-Type"] == "application/json"
    (run_dir / "healthy").touch()
    healthy = requests.request(method, f"{url}/ping", timeout=10)
    (run_dir / "healthy").unlink()
    assert (healthy.status_code, healthy.content) == (200, b"")


@pytest.mark.nginx
@pytest.mark.parametrize("path", ["/unhealthy.json", "/_error/bad_request", "/_paced/overloaded"])
def test_what_nginx_keeps_for_itself_is_not_for_callers(address: tuple[str, Path], path: str) -> None:
    url, _ = address
    answer = requests.get(f"{url}{path}", timeout=10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


BAD_REQUESTS = {
    "no HTTP at all": b"GARBAGE\r\n",
    "no path": b"GET\r\n",
    "the beginning of TLS": b"\x16\x03\x01\x02\r\n",
    "a path that cannot be decoded": b"GET /%zz HTTP/1.1\r\n",
    "a path above the root": b"GET /../x HTTP/1.1\r\n",
    "another version of HTTP": b"GET /ping HTTP/9.9\r\n",
    "a method that nginx refuses": b"TRACE /invocations HTTP/1.1\r\n",
    "a length that is no number": b"POST /invocations HTTP/1.1\r\nContent-Length: ten\r\n",
    "a transfer encoding that nobody knows": b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: rot13\r\n",
}


@pytest.mark.nginx
@pytest.mark.parametrize("beginning", BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_request_that_is_none_gets_an_answer_in_our_form(address: tuple[str, Path], beginning: bytes) -> None:
    url, _ = address
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10) as connection:
        connection.sendall(beginning + b"Host: x\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        body = answer.read()
    assert 400 <= answer.status < 600
    assert answer.getheader("Content-Type") == "application/json", body
    assert set(json.loads(body)["error"]) == {"code", "message", "request_id"}


@pytest.mark.nginx
def test_nginx_logs_nothing_but_what_is_wrong_and_survives_all_of_the_above(address: tuple[str, Path]) -> None:
    _, run_dir = address
    log = (run_dir / "log").read_text()
    assert not [line for line in log.splitlines() if "[alert]" in line or "[emerg]" in line or "signal 11" in line]


@pytest.mark.parametrize(("workers", "processes"), [(1, 1), (2, 2), (4, 4), (64, 4)])
def test_nginx_has_as_many_processes_as_there_are_workers_up_to_four(
    workers: int, processes: int, tmp_path: Path
) -> None:
    configuration = door.render(settings_from({}), workers, tmp_path)
    assert f"worker_processes {processes};" in configuration
    assert "zone " in configuration  # or each process would have a count of its own of who is busy
