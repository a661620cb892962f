"""Mutants that start, stop or live wrongly, on any machine."""

import os
import signal
import sys
import tempfile
from pathlib import Path

import gevent
from gevent import socket
from werkzeug.wrappers import Response

from mutants import images  # noqa: F401 - it registers its mutants
from mutants.reference import Reference
from mutants.registry import breaks


@breaks("1.01")
class EndsAtOnce(Reference):
    def main(self):
        return 1


@breaks("1.11")
class ListensOnOneInterface(Reference):
    def host(self):
        return "127.0.0.1"


@breaks("1.14")
class TakesAnotherPort(Reference):
    def serve(self):
        further = socket.socket()
        further.bind(("127.0.0.1", 0))
        further.listen()
        super().serve()


@breaks("1.23")
class FlickersWhileItLoads(Reference):
    """It is healthy for one ping in eight, so that only who asks without a pause is misled."""

    pings = 0
    is_loading = True

    def load(self):
        gevent.sleep(0.2)
        try:
            super().load()
        finally:
            self.is_loading = False

    def ping(self, request):
        self.pings += 1
        is_misled = self.is_loading and self.pings % 8 == 0
        return Response(status=200) if is_misled else super().ping(request)


@breaks("1.25")
class HealthyWithoutAModel(Reference):
    missing = False

    def load(self):
        try:
            super().load()
        except FileNotFoundError:
            self.missing = True

    def ping(self, request):
        return Response(status=200) if self.missing else super().ping(request)


@breaks("1.26")
class LeavesALockBehind(Reference):
    def refuse_surroundings(self):
        (Path(tempfile.gettempdir()) / "lock").touch(exist_ok=False)


@breaks("1.28", "--limit=stop_seconds=3")
class TakesTooLongToLeave(Reference):
    def stop(self, server):
        super().stop(server)
        gevent.sleep(4)


@breaks("1.28")
class LeavesAtOnce(Reference):
    def stop(self, server):
        server.stop(timeout=0)


@breaks("1.29", "--limit=recovery_seconds=3")
class LivesOnWithoutItsServer(Reference):
    def end_status(self, child_status):
        if child_status == -signal.SIGKILL:
            signal.pause()
        return super().end_status(child_status)


@breaks("1.29")
class CallsADeathASuccess(Reference):
    def end_status(self, child_status):
        return 0


@breaks("1.57")
class LogsToNowhere(Reference):
    def main(self):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.dup2(nowhere, sys.stderr.fileno())
        return super().main()


@breaks("5.09", "--limit=serverless_startup_seconds=1.5")
class StartsSlowly(Reference):
    def load(self):
        gevent.sleep(2)
        super().load()


@breaks("10.02")
class RefusesFilesItDoesNotKnow(Reference):
    def refuse_surroundings(self):
        folder = Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
        if unknown := {path.name for path in folder.iterdir()} - {"weights.json", "samples"}:
            sys.exit(f"unknown: {unknown}")
