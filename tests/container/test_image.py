"""The image itself: what is in it, what is not, and how it takes a command."""

import json
import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from server import ROOT, docker

pytestmark = pytest.mark.engine

BUDGET = 600 * 1000**2
COMPILERS = ["cc", "c++", "gcc", "g++", "cpp", "clang", "tcc", "gfortran", "rustc", "go", "make", "cmake", "ld", "as"]
INITS = ["tini", "tini-static", "dumb-init", "docker-init", "catatonit"]
PROGRAM = ROOT / "container" / "code"

LISTING = """
import json, pathlib, sys

print(json.dumps([str(path) for root in sys.argv[1:] for path in pathlib.Path(root).rglob("*")]))
"""
UNREADABLE = """
import os

def fail(error):
    raise error

for folder, folders, files in os.walk("/opt", onerror=fail):
    for name in folders + files:
        path = os.path.join(folder, name)
        if not os.access(path, os.R_OK | (os.X_OK if os.path.isdir(path) else 0)):
            print(path)
"""
NOT_COMPILED = """
import importlib.util, pathlib, struct, sysconfig

UNUSED = {"ensurepip", "idlelib", "site-packages", "test", "tkinter", "turtledemo"}

def is_compiled(source):
    cached, seen = pathlib.Path(importlib.util.cache_from_source(source)), source.stat()
    expected = importlib.util.MAGIC_NUMBER + struct.pack("<III", 0, int(seen.st_mtime), seen.st_size)
    return cached.is_file() and cached.read_bytes()[:16] == expected

library = pathlib.Path(sysconfig.get_path("stdlib"))
sources = [path for path in library.rglob("*.py") if not UNUSED.intersection(path.relative_to(library).parts)]
packages = list(pathlib.Path("/opt/venv").rglob("*.py"))
program = [path for path in pathlib.Path("/opt/program").rglob("*.py") if path.name != "gunicorn.conf.py"]
assert len(sources) > 100 and len(packages) > 1000 and len(program) > 10
print(*(path for path in sources + packages + program if not is_compiled(path)), sep="\\n")
"""
INSTALLED = """
import importlib.metadata, json
from packaging.markers import default_environment

found = [(found.metadata["Name"], found.version) for found in importlib.metadata.distributions()]
print(json.dumps([found, default_environment()]))
"""


def inspected(image):
    (description,) = json.loads(docker("image", "inspect", image).stdout)
    return description


@pytest.fixture(scope="module")
def files(image):
    """The path of every file and folder in the image, but for what the kernel shows."""
    as_root = ("run", "--rm", "--user", "root", "--network", "none", image)
    roots = [f"/{name}" for name in docker(*as_root, "ls", "/").stdout.split() if name not in ("proc", "sys")]
    return json.loads(docker(*as_root, "python", "-c", LISTING, *roots).stdout)


def named(files, *patterns):
    return [path for path in files if any(part in path.rpartition("/")[2] for part in patterns)]


def test_the_entry_point_is_one_program_without_a_shell_or_an_init_around_it(image, files):
    configuration = inspected(image)["Config"]
    assert configuration["Entrypoint"] == ["/opt/program/entrypoint"]
    assert not configuration["Cmd"]
    assert not [path for path in files if path.rpartition("/")[2] in INITS]


def test_without_a_command_the_image_explains_itself_and_ends_with_2(command):
    done = command()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: docker run")


def test_any_other_command_is_run_as_it_stands(command):
    done = command("python", "-c", "import sys; print(sys.argv[1:]); sys.exit(7)", "two words", "$HOME", "*")
    assert (done.returncode, done.stdout) == (7, "['two words', '$HOME', '*']\n")


def test_an_unknown_command_ends_with_127_and_is_named(command):
    done = command("no-such-command")
    assert done.returncode == 127
    assert "no-such-command: not found" in done.stderr


def test_serve_and_python_are_the_images_own_on_the_path(command):
    found = command("sh", "-c", "command -v serve; command -v python").stdout.split()
    assert found == ["/opt/program/serve", "/opt/venv/bin/python"]


def test_check_without_a_model_tries_the_image_alone_and_succeeds(command):
    done = command("serve", "--check", options=("--network", "none", "--read-only", "--tmpfs", "/tmp"))
    assert done.returncode == 0, done.stderr
    assert "there is no model folder yet" in done.stdout + done.stderr


def test_the_image_claims_one_capability_and_no_other(image):
    labels = inspected(image)["Config"]["Labels"]
    claimed = {name: value for name, value in labels.items() if name.startswith("com.amazonaws.sagemaker")}
    assert claimed == {"com.amazonaws.sagemaker.capabilities.accept-bind-to-port": "true"}


def test_the_image_sets_no_user_and_no_volume(image):
    configuration = inspected(image)["Config"]
    assert (configuration["User"], configuration["Volumes"]) == ("", None)


def test_the_image_is_for_linux_on_amd64(image):
    if (built_for := docker("version", "--format", "{{.Server.Arch}}").stdout.strip()) != "amd64":
        pytest.skip(f"this engine builds for {built_for}, unless it is given --platform linux/amd64")
    description = inspected(image)
    assert (description["Os"], description["Architecture"]) == ("linux", "amd64")


def test_the_image_stays_within_its_budget_uncompressed(image):
    layers = docker("history", "--human=false", "--format", "{{.Size}}", image).stdout.split()
    assert sum(map(int, layers)) < BUDGET


def test_no_compiler_is_in_the_image(files):
    programs = {path.rpartition("/")[2] for path in files if "/bin/" in path or "/sbin/" in path}
    assert {"sh", "nginx", "python"} <= programs
    assert programs.isdisjoint(COMPILERS)
    assert not [path for path in files if path.endswith(("/cc1", "/cc1plus"))]


def test_no_pip_is_in_the_virtual_environment(files):
    inside = [path for path in files if path.startswith("/opt/venv/")]
    assert len(inside) > 1000
    site = [path for path in inside if "/site-packages/" in path and path.count("/") == 6]
    assert any(path.endswith("/flask") for path in site)
    assert not [path for path in site if path.rpartition("/")[2].startswith(("pip", "setuptools", "wheel"))]
    assert not [path for path in inside if path.startswith("/opt/venv/bin/pip")]


def test_no_drivers_of_a_gpu_are_in_the_image(files):
    assert not named(files, "libcuda", "libcudart", "libnvidia", "libnccl")


def test_no_secrets_are_in_the_image(files):
    names = {".netrc", ".aws", ".env", ".git", ".ssh", "id_rsa", ".pypirc", ".docker"}
    found = [path for path in files if path.endswith(".key") or path.rpartition("/")[2] in names]
    assert not found


def test_nothing_that_a_server_imports_is_compiled_again_at_its_start(command):
    done = command("python", "-c", NOT_COMPILED)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_every_file_of_ours_can_be_read_by_any_user(command):
    done = command("python", "-c", UNREADABLE, options=("--user", "12345:12345"))
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_the_platforms_folder_is_left_to_the_platform(files):
    assert not [path for path in files if path.startswith("/opt/ml")]


def test_the_program_is_all_of_the_repository_that_is_in_the_image(files):
    inside = {path.removeprefix("/opt/program/") for path in files if path.startswith("/opt/program/")}
    here = {str(path.relative_to(PROGRAM)) for path in PROGRAM.rglob("*")}
    left_behind = re.compile(r"__pycache__|(^|/)\.")  # by machines and editors
    assert {path for path in inside if "__pycache__" not in path} == {
        path for path in here if not left_behind.search(path)
    }
    assert {path for path in files if path.count("/") == 2 and path.startswith("/opt/")} == {
        "/opt/program",
        "/opt/venv",
    }
    assert not [path for path in files if path.startswith("/build")]


def locked(environment):
    """Return name -> version of the locked packages that such a Python gets."""
    lines = (ROOT / "container" / "requirements.txt").read_text().splitlines()
    requirements = [Requirement(line.rstrip("\\ ")) for line in lines if line[:1].isalnum()]
    wanted = [each for each in requirements if each.marker is None or each.marker.evaluate(environment)]
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in wanted}


def test_the_packages_are_exactly_the_locked_ones(command):
    found, environment = json.loads(command("python", "-c", INSTALLED).stdout)
    assert {canonicalize_name(name): version for name, version in found} == locked(environment)
