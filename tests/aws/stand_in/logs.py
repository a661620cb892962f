"""What containers print, as CloudWatch keeps it."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from aws.stand_in.engine import Running


class Stream:
    """A log stream; it may follow what a container prints."""

    def __init__(self, logs: Any, group: str, stream: str, say: Callable[[str], None]):
        self.logs = logs
        self.place = {"logGroupName": group, "logStreamName": stream}
        self.say = say

    def open(self) -> None:
        """Make the stream."""
        with contextlib.suppress(self.logs.exceptions.ResourceAlreadyExistsException):
            self.logs.create_log_group(logGroupName=self.place["logGroupName"])
        with contextlib.suppress(self.logs.exceptions.ResourceAlreadyExistsException):
            self.logs.create_log_stream(**self.place)

    def begin(self, running: Running) -> None:
        """Follow in a thread."""
        self.open()
        threading.Thread(target=self.follow, args=(running,), daemon=True).start()

    def follow(self, running: Running) -> None:
        """Put every line, each when it comes."""
        command = ["docker", "logs", "--follow", running.identity]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            for line in process.stdout or ():
                self.put(line.rstrip("\n"))

    def put(self, line: str) -> None:
        """Put one line."""
        try:
            event = {"timestamp": int(time.time() * 1000), "message": line or " "}
            self.logs.put_log_events(**self.place, logEvents=[event])
        except (BotoCoreError, ClientError) as error:
            self.say(f"{self.place['logGroupName']}: a line was lost: {error}")
