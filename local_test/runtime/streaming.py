"""A container's answer as a stream of events, each part as soon as it is there."""

import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from runtime.event_stream import payload_part, stream_error
from runtime.upstream import Answer, DeadlineMissed, UpstreamError

# The API Reference's own descriptions of the two error codes; what the service writes is not published.
TOO_LONG = "The model failed to finish sending the response within the timeout period allowed by Amazon SageMaker."
BROKEN = "The Transmission Control Protocol (TCP) connection between the client and the model was reset or closed."


def events(answer: Answer, caller: socket.socket | None, said: Callable[[str], None]) -> Iterator[bytes]:
    """Yield the encoded events; end the container's connection when the caller goes away."""
    with closing(answer), watched(caller, answer.abort) as hung_up:
        try:
            yield from map(payload_part, iter(answer.read1, b""))
        except DeadlineMissed as error:
            said(f"ModelInvocationTimeExceeded: {error}")
            yield stream_error("ModelInvocationTimeExceeded", TOO_LONG)
        except UpstreamError as error:
            if hung_up.is_set():
                said("the caller went away")
                return
            said(f"StreamBroken: {error}")
            yield stream_error("StreamBroken", BROKEN)


@contextmanager
def watched(caller: socket.socket | None, abort: Callable[[], None]) -> Iterator[threading.Event]:
    """
    Call *abort* when the caller hangs up, and say so.

    Writing would find out too, but there is nothing to write while the model thinks about its next part.
    """
    hung_up = threading.Event()
    if caller is None:
        yield hung_up
        return
    ours, theirs = socket.socketpair()
    watch = threading.Thread(target=wait_for_hang_up, args=(caller, theirs, hung_up, abort), daemon=True)
    watch.start()
    try:
        yield hung_up
    finally:
        ours.close()  # wakes the watch
        watch.join()


def wait_for_hang_up(
    caller: socket.socket, finished: socket.socket, hung_up: threading.Event, abort: Callable[[], None]
) -> None:
    """Call *abort* if the caller hangs up before *finished* can be read."""
    with finished, selectors.DefaultSelector() as selector:
        selector.register(caller, selectors.EVENT_READ)
        selector.register(finished, selectors.EVENT_READ)
        readable = [key.fileobj for key, _ in selector.select()]
    if finished not in readable and has_hung_up(caller):
        hung_up.set()
        abort()


def has_hung_up(caller: socket.socket) -> bool:
    """Tell whether what there is to read is the end."""
    try:
        return caller.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True
