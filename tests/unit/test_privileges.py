"""Who runs nginx and the model: the decision, with what a user may do passed in."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from serving.errors import StartError
from serving.privileges import (
    DEFAULT_USERS,
    Obstacle,
    User,
    account_of,
    are_roots,
    choose_user,
    environment_for,
    find_user,
    name_of,
)
from serving.processes import PROGRAM_DIR

ROOT_ID = 0
SOMEBODY = User("12345", 12345, 12345)


def nothing_in_the_way(user: User) -> None:
    """Find no obstacle."""


def never_asked(user: User) -> Obstacle:
    raise AssertionError(f"{user} was tried")


def test_root_gives_nginx_and_the_model_to_the_default_user() -> None:
    chosen = choose_user(None, ROOT_ID, nothing_in_the_way)
    assert chosen is not None
    assert chosen.name in DEFAULT_USERS
    assert chosen.uid != ROOT_ID


def test_root_gives_them_to_the_user_who_is_asked_for() -> None:
    assert choose_user("12345:6", ROOT_ID, nothing_in_the_way) == User("12345", 12345, 6)


@pytest.mark.parametrize("wanted", [None, "nobody", "root", "no-such-user"])
def test_for_any_other_user_nothing_changes_whatever_is_asked_for(wanted: str | None) -> None:
    assert choose_user(wanted, 1000, never_asked) is None


@pytest.mark.parametrize("wanted", ["root", "0", "0:0"])
def test_root_stays_root_where_that_is_asked_for(wanted: str) -> None:
    assert choose_user(wanted, ROOT_ID, never_asked) is None


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_the_default_user_gives_way_to_an_obstacle_and_one_line_says_why(
    level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert choose_user(None, ROOT_ID, lambda user: Obstacle(f"{user} is ill", level)) is None
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (level, "nginx and the model run as root")
    assert record.reason.endswith(" is ill")


def test_a_user_who_is_asked_for_and_cannot_do_it_ends_the_start() -> None:
    with pytest.raises(StartError, match=r"^SERVING_USER is '12345', but 12345 is ill\.$"):
        choose_user("12345", ROOT_ID, lambda user: Obstacle(f"{user} is ill"))


def test_a_user_who_does_not_exist_ends_the_start() -> None:
    with pytest.raises(StartError, match="SERVING_USER is 'nosuch'; expected a user that exists here, or numbers"):
        choose_user("nosuch", ROOT_ID, never_asked)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("12345", SOMEBODY),
        ("12345:6", User("12345", 12345, 6)),
        ("root", User("root", 0, 0)),
        ("", None),
        ("12345:", SOMEBODY),
        ("-1", None),
        ("12345:staff", None),
        ("root:root", None),
    ],
)
def test_a_user_is_a_name_of_the_machines_or_numbers(name: str, expected: User | None) -> None:
    found = account_of(name)
    assert (found and (found.uid, found.gid)) == (expected and (expected.uid, expected.gid))


def test_there_is_always_a_default_user() -> None:
    assert account_of(DEFAULT_USERS[-1]) is not None
    assert find_user(None).uid != ROOT_ID


def test_a_user_is_named_with_the_number() -> None:
    assert str(User("serving", 10001, 10001)) == "serving (10001)"
    assert str(SOMEBODY) == "12345"
    assert name_of(SOMEBODY) == "12345"
    assert str(os.geteuid()) in name_of(None)


def test_another_user_gets_a_home_of_its_own_and_the_rest_of_the_environment() -> None:
    environ = {"HOME": "/root", "MINE": "1"}
    assert environment_for(SOMEBODY, environ, Path("/tmp/run")) == {"HOME": "/tmp/run", "MINE": "1"}
    assert environment_for(None, environ, Path("/tmp/run")) is environ


def test_another_user_has_no_group_but_its_own() -> None:
    assert SOMEBODY.popen_options == {"user": 12345, "group": 12345, "extra_groups": []}


def test_only_what_stays_with_root_is_roots() -> None:
    assert are_roots(None) == (os.geteuid() == 0)
    assert not are_roots(SOMEBODY)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has no_new_privs")
def test_no_program_that_is_started_can_gain_rights() -> None:
    program = """
import subprocess
from serving.privileges import forbid_new_privileges
forbid_new_privileges()
subprocess.run(["grep", "NoNewPrivs", "/proc/self/status"], check=True)
"""
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, env={"PYTHONPATH": str(PROGRAM_DIR)}, capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("NoNewPrivs:\t1\n", "")
