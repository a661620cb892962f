"""
Ask whether a locked package of the image is known to be vulnerable; `make check` runs this.

PyPI is asked, and OSV about what PyPI does not tell. A finding fails, unless accepted_vulnerabilities.toml has it with
a reason and a date to come. A service that cannot be asked fails nothing: what was not looked at is said by name.
"""

import argparse
import datetime as dt
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "container" / "requirements.txt"
ACCEPTED = Path(__file__).parent / "accepted_vulnerabilities.toml"
PATIENCE = 180  # seconds for one service; an address that answers nothing is asked about one package after the other


@dataclass(frozen=True)
class Finding:
    """A package with a known vulnerability, under all the names that this has."""

    package: str
    version: str
    ids: tuple[str, ...]
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        fixed = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed in any version"
        return f"{self.package} {self.version}: {self.ids[0]}, {fixed}"


@dataclass(frozen=True)
class Answer:
    """What one service said: of which packages it knows, what it found, and why it knows nothing of the others."""

    audited: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()
    silence: str = ""

    @classmethod
    def of(cls, printed: str, complained: str) -> "Answer":
        """Read what pip-audit printed; without JSON, its last complaint is why."""
        try:
            dependencies = json.loads(printed)["dependencies"]
        except ValueError:
            return cls(silence=(complained.strip().splitlines() or ["it said nothing"])[-1][:300])
        known = [each for each in dependencies if "skip_reason" not in each]
        reasons = [each["skip_reason"] for each in dependencies if "skip_reason" in each]
        return cls(frozenset(each["name"] for each in known), tuple(findings_in(known)), "".join(reasons[:1]))


def findings_in(dependencies: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield what was found, in pip-audit's words."""
    for each in dependencies:
        for known in each["vulns"]:
            ids = (known["id"], *known.get("aliases", ()))
            yield Finding(each["name"], each["version"], ids, tuple(known["fix_versions"]))


@dataclass(frozen=True)
class Acceptance:
    """A vulnerability that is let pass."""

    id: str
    package: str
    reason: str
    until: dt.date

    def covers(self, finding: Finding, today: dt.date) -> bool:
        """Tell whether the finding is this one, and the date not past."""
        return self.package == finding.package and self.id in finding.ids and today <= self.until


@dataclass
class Audit:
    """What all services that were asked know together."""

    packages: frozenset[str]
    audited: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    silences: list[str] = field(default_factory=list)

    @property
    def not_audited(self) -> list[str]:
        """Return the packages of which nobody has told anything."""
        return sorted(self.packages - self.audited)

    def take(self, service: str, answer: Answer) -> None:
        """Count in what a service said."""
        new = answer.audited - self.audited
        self.findings += [finding for finding in answer.findings if finding.package in new]
        self.audited |= new
        if answer.silence:
            self.silences.append(f"{service}: {answer.silence}")


def ask(requirements: Path, *service: str) -> Answer:
    """Ask a service about the locked packages; nothing is installed for it, and no pip is asked."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements), "--no-deps", "--disable-pip"]
    options = ["--format=json", "--progress-spinner=off", *service]
    try:
        ran = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return Answer(silence=f"no answer within {PATIENCE} s")
    return Answer.of(ran.stdout, ran.stderr)


def packages_in(requirements: Path) -> frozenset[str]:
    """Return the names of the locked packages that this Python gets."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = [line.rstrip("\\ ") for line in requirements.read_text().splitlines() if line[:1].isalnum()]
    locked = map(Requirement, lines)
    return frozenset(canonicalize_name(each.name) for each in locked if not each.marker or each.marker.evaluate())


def acceptances_in(path: Path) -> list[Acceptance]:
    """Read what is let pass; an entry that lacks a reason or a date is no entry."""
    entries = tomllib.loads(path.read_text()).get("accepted", [])
    for entry in entries:
        if not (str(entry.get("reason", "")).strip() and isinstance(entry.get("until"), dt.date)):
            sys.exit(f"{path.name}: {entry.get('id', 'an entry')} needs a reason and a date: until = 2027-01-31")
    return [Acceptance(entry["id"], entry["package"], entry["reason"], entry["until"]) for entry in entries]


def report(audit: Audit, acceptances: list[Acceptance], today: dt.date) -> tuple[list[str], int]:
    """Return what to say, and the exit status."""
    lines, status = [], 0
    for finding in audit.findings:
        accepted = next((each for each in acceptances if each.covers(finding, today)), None)
        lines.append(f"  accepted until {accepted.until}: {finding}" if accepted else f"  VULNERABLE {finding}")
        status = status if accepted else 1
    if audit.not_audited:
        lines += [f"  not audited: {', '.join(audit.not_audited)}", *(f"  {silence}" for silence in audit.silences)]
    if status:
        lines.append(f"  Take a newer version (make lock), or accept it in {ACCEPTED.relative_to(ROOT)} with a reason.")
    return [*lines, f"  {len(audit.audited)} of {len(audit.packages)} packages audited"], status


def main() -> int:
    """Ask the services that are there, and say what they know."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requirements", type=Path, default=REQUIREMENTS, help="locked packages")
    parser.add_argument("--accepted", type=Path, default=ACCEPTED, help="what is let pass")
    parser.add_argument("--osv-url", help="ask this OSV service, and no other")
    given = parser.parse_args()
    acceptances = acceptances_in(given.accepted)
    osv = ("--vulnerability-service=osv", f"--osv-url={given.osv_url}") if given.osv_url else ()
    services = {"OSV": osv} if osv else {"PyPI": (), "OSV": ("--vulnerability-service=osv",)}
    audit = Audit(packages_in(given.requirements))
    for name, service in services.items():
        if audit.not_audited:
            audit.take(name, ask(given.requirements, *service))
    lines, status = report(audit, acceptances, dt.datetime.now(dt.UTC).date())
    print("\n".join(lines), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
