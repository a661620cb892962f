"""What a program found: promises that were kept or broken, figures, and how both are shown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reliability.accounts import Ledger, line

KEPT, BROKEN, OPEN = "kept", "BROKEN", "not judged"


@dataclass(frozen=True)
class Promise:
    """Something that is promised, and what was found; *kept* is None where the run was too short to tell."""

    about: str
    goal: str
    found: str
    kept: bool | None

    @property
    def verdict(self) -> str:
        """Return the word for it."""
        return OPEN if self.kept is None else KEPT if self.kept else BROKEN


def none_of(about: str, number: int) -> Promise:
    """Return the promise that something never happens."""
    return Promise(about, "0", f"{number:,}", number == 0)


def at_most(about: str, found: float | None, limit: float, unit: str) -> Promise:
    """Return the promise of an upper limit; nothing found breaks nothing."""
    shown = "none" if found is None else f"{found:,.1f} {unit}"
    return Promise(about, f"at most {limit:g} {unit}", shown, found is None or found <= limit)


def at_least(about: str, found: float, limit: float, unit: str) -> Promise:
    """Return the promise of a lower limit."""
    return Promise(about, f"at least {limit:g} {unit}", f"{found:,.1f} {unit}", found >= limit)


@dataclass
class Report:
    """All of a run."""

    program: str
    settings: Mapping[str, Any]
    promises: Sequence[Promise]
    figures: Mapping[str, Any]
    tables: Sequence[str] = field(default_factory=tuple)

    @property
    def is_kept(self) -> bool:
        """Tell whether no promise was broken."""
        return all(promise.kept is not False for promise in self.promises)

    def page(self, machine: Mapping[str, Any]) -> str:
        """Return the tables in Markdown."""
        where = f"{machine['when'][:10]}, {machine['cores']} cores ({machine['cpu']}), commit {machine['commit']}"
        asked = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.settings.items())
        rows = [line(promise.about, (promise.goal, promise.found, promise.verdict)) for promise in self.promises]
        table = "\n".join([line("promise", ("goal", "found", "")), "|---|---|---:|---|", *rows])
        return "\n\n".join([f"# {self.program}", f"{asked}.  \n{where}.", table, *self.tables]) + "\n"

    def write(self, path: Path, machine: Mapping[str, Any]) -> None:
        """Write everything as JSON, with the machine and the versions."""
        path.parent.mkdir(parents=True, exist_ok=True)
        judged = [{**asdict(promise), "verdict": promise.verdict} for promise in self.promises]
        whole = {"program": self.program, "machine": dict(machine), "settings": dict(self.settings)}
        path.write_text(json.dumps({**whole, "promises": judged, "figures": self.figures}, indent=1) + "\n")


def account(ledger: Ledger) -> str:
    """Return the account as a table, and what should not have happened in a few lines."""
    details = [f"- {detail}" for detail in ledger.details]
    return "\n\n".join(["What became of the requests:", ledger.table(), *(["\n".join(details)] if details else [])])
