"""Requests for what not every model does; the reference server obeys them all."""

from pathlib import Path

from mutants.registry import ENTRIES, Entry

REQUESTS = Path(__file__).parent / "requests"
NAMES = {"slow": "slow", "stream": "streamed", "broken-stream": "broken_stream", "session": "new_session"}
THREE_ROWS = f"--sample={REQUESTS / 'three_rows.csv'}"


def sample(kind):
    """Return the option that names a request."""
    return f"--{kind}-sample={REQUESTS / NAMES[kind]}.json"


ENTRIES["Reference"] = Entry("", ENTRIES["Reference"].server, options=tuple(map(sample, NAMES)))
