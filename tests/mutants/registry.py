"""The list of the broken servers, and what each is there for."""

from dataclasses import dataclass, field
from typing import TypeVar

from mutants.reference import Reference

Mutant = TypeVar("Mutant", bound=type[Reference])


@dataclass(frozen=True)
class Entry:
    """
    A server that breaks one clause.

    Attributes:
        clause: the one that it breaks; "" for the server that breaks none.
        server: the class to run.
        image: lines for its Dockerfile; None for a server that is broken on any machine, and runs on this one.
        options: for the run of the suite, such as lower limits.
        remade: how the built image is changed before it is checked, a name in `remaking.py`; "" if it is not.
    """

    clause: str
    server: type[Reference]
    image: tuple[str, ...] | None = None
    options: tuple[str, ...] = field(default=())
    remade: str = ""

    @property
    def name(self) -> str:
        """Return the name of the class."""
        return self.server.__name__


ENTRIES: dict[str, Entry] = {"Reference": Entry("", Reference)}


def breaks(number: str, *options: str, image: tuple[str, ...] | None = None, remade: str = ""):
    """Register a class as a server that breaks clause *number*."""

    def register(server: Mutant) -> Mutant:
        ENTRIES[server.__name__] = Entry(number, server, image, options, remade)
        return server

    return register
