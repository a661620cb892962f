"""
The health verdict: two files that nginx looks at, so that `/ping` never waits behind a prediction.

`healthy` exists while the answer is 200; otherwise `unhealthy.json` is the body of the 503.
"""

from pathlib import Path

from serving.errors import NotReady, error_body


class HealthVerdict:
    """The present verdict, kept where nginx reads it."""

    def __init__(self, run_dir: Path):
        """Keep the verdict in *run_dir*; it begins unhealthy."""
        self._healthy = run_dir / "healthy"
        self._reason = run_dir / "unhealthy.json"
        self.reason: str | None = ""
        self.unhealthy("The server is starting.")

    def healthy(self) -> None:
        """Answer 200 from now on."""
        self._healthy.touch()
        self.reason = None

    def unhealthy(self, reason: str) -> None:
        """Answer 503 with *reason* from now on."""
        if reason != self.reason:
            new = self._reason.with_suffix(".new")
            new.write_bytes(error_body(NotReady.code, reason, None))
            new.replace(self._reason)
        self._healthy.unlink(missing_ok=True)
        self.reason = reason
