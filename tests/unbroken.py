"""A server with the abalone model that has to bear much, and to go on."""

from pathlib import Path
from typing import Any

import pytest

from raw_http import assert_ours, exchange
from server import Server

ROW = b"I,0.365,0.295,0.095,0.25,0.1075,0.0545,0.08\n"
RINGS = 7.258125951673891


class Unbroken:
    """A server, and the one worker that it began with."""

    def __init__(self, server: Server):
        self.server = server
        (self.worker,) = server.worker_pids()

    def goes_on(self) -> None:
        """Assert that it answers its sample, and that its worker has not died."""
        answer = self.server.invoke(ROW, "text/csv")
        assert (answer.status_code, float(answer.text)) == (200, pytest.approx(RINGS))
        assert Path(f"/proc/{self.worker}").exists()

    def refuses(self, sent: bytes, status: int) -> None:
        """Assert that the bytes get this one answer, in our form."""
        (answer,) = exchange(self.server, sent)
        assert answer.status == status, answer
        assert_ours(answer)
        self.goes_on()

    def lines(self, request_id: str) -> list[dict[str, Any]]:
        """Return the access lines of the requests of that name that reached a worker."""
        lines = [line for line in self.server.log_lines() if line.get("request_id") == request_id]
        return [line for line in lines if line["message"] == "request" and line.get("answered_by") != "nginx"]

    def most_memory(self) -> int:
        """Return the most memory that the worker has ever had, in bytes."""
        lines = Path(f"/proc/{self.worker}/status").read_text().splitlines()
        (kilobytes,) = [line.split()[1] for line in lines if line.startswith("VmHWM")]
        return int(kilobytes) * 1024
