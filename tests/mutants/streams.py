"""Mutants that stream, but not so that anybody could tell."""

from gevent.pywsgi import WSGIHandler

from mutants.further import sample
from mutants.reference import Reference
from mutants.registry import breaks


@breaks("2.01", sample("stream"))
class HoldsPartsBack(Reference):
    def stream_of(self, count, seconds):
        yield "".join(super().stream_of(count, seconds))


class OldProtocol(WSGIHandler):
    def read_request(self, raw_requestline):
        is_read = super().read_request(raw_requestline)
        self.request_version = "HTTP/1.0"
        return is_read


@breaks("2.01", sample("stream"))
class StreamsWithoutChunks(Reference):
    protocol = OldProtocol


@breaks("2.03", sample("broken-stream"))
class EndsABrokenStreamCleanly(Reference):
    def broken_stream(self, count):
        yield from self.stream_of(count, 0)
