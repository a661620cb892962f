"""Mutants that answer wrongly: each would be seen from outside, by requests alone."""

import gevent
from mutants.reference import Reference
from mutants.registry import breaks


@breaks("1.20")
class PingsByGetOnly(Reference):
    def ping(self, request):
        return super().ping(request) if request.method == "GET" else self.wrong_method(request)


@breaks("1.22", "--limit=ping_seconds=0.3")
class PingWaitsForTheModel(Reference):
    def ping(self, request):
        with self.model_lock:
            gevent.sleep(0)
        return super().ping(request)
