"""`make check` asks whether a package of the image is known to be vulnerable: what it does with each answer."""

import datetime as dt
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from audit import ACCEPTED, REQUIREMENTS, Acceptance, Answer, Audit, Finding, acceptances_in, packages_in, report
from ports import free_port
from server import ROOT

TODAY = dt.date(2026, 11, 21)
FINDING = Finding("six", "1.17.0", ("PYSEC-1", "CVE-1"), ("9.9",))
VULNERABLE = {
    "name": "six",
    "version": "1.17.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": []}],
}
SKIPPED = {"name": "flask", "skip_reason": "Dependency not found"}


def printed(*dependencies: dict[str, Any]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def audit_of(*answers: Answer) -> Audit:
    audit = Audit(frozenset({"six", "flask"}))
    for number, answer in enumerate(answers):
        audit.take(f"service {number}", answer)
    return audit


# -- what a service says


def test_what_is_found_has_every_name_of_the_vulnerability() -> None:
    answer = Answer.of(printed(VULNERABLE), "")
    assert answer.audited == {"six"}
    assert [str(finding) for finding in answer.findings] == ["six 1.17.0: PYSEC-1, not fixed in any version"]
    assert answer.findings[0].ids == ("PYSEC-1", "CVE-1")


def test_a_package_that_a_service_does_not_know_is_not_audited() -> None:
    assert Answer.of(printed(SKIPPED), "") == Answer(silence="Dependency not found")


@pytest.mark.parametrize(
    ("complaint", "silence"), [("Traceback\nConnectionError: no", "ConnectionError: no"), ("", "it said nothing")]
)
def test_a_service_that_cannot_be_asked_says_why(complaint: str, silence: str) -> None:
    assert Answer.of("", complaint) == Answer(silence=silence)


# -- what that comes to


def test_a_finding_fails_and_says_what_to_do() -> None:
    lines, status = report(audit_of(Answer(frozenset({"six", "flask"}), (FINDING,))), [], TODAY)
    assert status == 1
    assert lines == [
        "  VULNERABLE six 1.17.0: PYSEC-1, fixed in 9.9",
        "  Take a newer version (make lock), or accept it in tests/accepted_vulnerabilities.toml with a reason.",
        "  2 of 2 packages audited",
    ]


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        (Acceptance("CVE-1", "six", "a reason", TODAY), 0),
        (Acceptance("PYSEC-1", "six", "a reason", TODAY), 0),
        (Acceptance("CVE-1", "six", "a reason", TODAY - dt.timedelta(days=1)), 1),
        (Acceptance("CVE-1", "flask", "a reason", TODAY), 1),
        (Acceptance("CVE-2", "six", "a reason", TODAY), 1),
    ],
    ids=["by an alias", "by its id", "until yesterday", "for another package", "another one"],
)
def test_what_is_accepted_passes_until_its_date(entry: Acceptance, status: int) -> None:
    lines, found = report(audit_of(Answer(frozenset({"six", "flask"}), (FINDING,))), [entry], TODAY)
    assert found == status
    assert lines[0].startswith(f"  accepted until {TODAY}: six" if status == 0 else "  VULNERABLE six")


def test_what_nobody_could_look_at_is_named_and_fails_nothing() -> None:
    lines, status = report(audit_of(Answer(silence="no network"), Answer(silence="no such host")), [], TODAY)
    assert status == 0
    assert lines == [
        "  not audited: flask, six",
        "  service 0: no network",
        "  service 1: no such host",
        "  0 of 2 packages audited",
    ]


def test_a_second_service_fills_in_for_the_first_and_finds_nothing_twice() -> None:
    second = Answer(frozenset({"six", "flask"}), (FINDING,))
    audit = audit_of(Answer(frozenset({"six"}), (FINDING,), "not found"), second)
    assert (audit.not_audited, audit.findings) == ([], [FINDING])


@pytest.mark.parametrize("missing", ["reason", "until"])
def test_an_acceptance_without_a_reason_or_a_date_is_refused(missing: str, tmp_path: Path) -> None:
    entry = {"id": '"CVE-1"', "package": '"six"', "reason": '"never run"', "until": "2027-01-31"}
    del entry[missing]
    accepted = tmp_path / "accepted.toml"
    accepted.write_text("[[accepted]]\n" + "\n".join(f"{name} = {value}" for name, value in entry.items()))
    with pytest.raises(SystemExit, match="CVE-1 needs a reason and a date"):
        acceptances_in(accepted)


def test_the_list_of_what_is_accepted_can_be_read() -> None:
    assert all(entry.reason for entry in acceptances_in(ACCEPTED))


def test_every_locked_package_that_this_system_gets_is_asked_about(tmp_path: Path) -> None:
    locked = tmp_path / "requirements.txt"
    locked.write_text("Flask==3.1.3 \\\n    --hash=sha256:0\nzope.event==6.2\ntzdata==1 ; sys_platform == 'nowhere'\n")
    assert packages_in(locked) == {"flask", "zope-event"}
    assert {"flask", "numpy", "gunicorn"} <= packages_in(REQUIREMENTS)


# -- the program, with a service on this machine


class Advisories(http.server.BaseHTTPRequestHandler):
    """OSV, as far as it is asked: six is vulnerable, nothing else is."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({"vulns": [self.advisory()]} if asked["package"]["name"] == "six" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def advisory(self) -> dict[str, Any]:
        package = {"name": "six", "ecosystem": "PyPI"}
        fixed = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}]
        return {"id": "GHSA-1", "aliases": ["CVE-1"], "affected": [{"package": package, "ranges": fixed}]}

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def advisory_service() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Advisories) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()


def run(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tests" / "audit.py"), "--osv-url", url, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_real_finding_fails_the_program_unless_it_is_accepted(tmp_path: Path) -> None:
    accepted = tmp_path / "accepted.toml"
    accepted.write_text('[[accepted]]\nid = "CVE-1"\npackage = "six"\nreason = "never run"\nuntil = 9999-12-31\n')
    with advisory_service() as url:
        refused, passed = run(url), run(url, "--accepted", str(accepted))
    assert refused.returncode == 1
    assert "VULNERABLE six" in refused.stderr
    assert (passed.returncode, "accepted until 9999-12-31: six" in passed.stderr) == (0, True)


def test_a_service_that_is_not_there_fails_nothing_and_every_package_is_named() -> None:
    done = run(f"http://127.0.0.1:{free_port()}/v1/query")
    assert done.returncode == 0
    assert f"not audited: {', '.join(sorted(packages_in(REQUIREMENTS)))}" in done.stderr
    assert "Connection refused" in done.stderr
