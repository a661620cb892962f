"""The door: nginx's configuration, written from the template for this start."""

import json
from pathlib import Path
from string import Template

from serving.open_files import open_file_limit
from serving.settings import Settings

TEMPLATE = Path(__file__).parent.parent / "nginx.conf.template"
DRAIN_SECONDS = 22  # nginx lets go of clients that are slower; SageMaker kills 30 s after SIGTERM
PROXY_MARGIN = 10  # seconds: the application's own 504 always comes first
MOST_PROCESSES = 4  # of nginx; one alone takes more than 20,000 small requests a second
MOST_CONNECTIONS = 16384  # of one process of nginx, which reserves half a kilobyte for each of them
# Of a request. An input that kills its workers is refused after two deaths: the further tries are for those who were
# beside it, and where somebody kills one worker after the other.
TRIES, TRIES_WITHOUT_QUARANTINE = 8, 2
OWN_FILES = 64  # of nginx: what it listens on, its log, and so on
# Of workers that are equally busy the first is asked, whose caches are warm, until each has so many requests.
WARM_REQUESTS = 2
WARM_WORKERS = 6  # have an order among them; in 64 bits there is room for the weights of no more
WARMTH = 1000  # how much rather each of them is asked than the next one


FURTHER_TRY = """\
        location @try_%(number)d {
            error_page 500 /_error/internal_error;
            error_page 502 %(after)s;
            error_page 504 /_error/deadline_exceeded;
            proxy_pass http://any_worker;
        }"""


class NginxTemplate(Template):
    """A template whose placeholders, `%{NAME}`, leave nginx's own `$variables` alone."""

    delimiter = "%"
    pattern = r"""
    %(?:(?P<escaped>%%)|(?P<named>(?!))|\{(?P<braced>[A-Z_]+)\}|(?P<invalid>(?!)))
    """  # type: ignore[assignment]


def render(
    settings: Settings, workers: int, run_dir: Path, template: Path = TEMPLATE, open_files: int | None = None
) -> str:
    """
    Return nginx's configuration; raise `KeyError` for a placeholder that has no value.

    Args:
        open_files: how many files a process may have open, if that is not what this process may.
    """
    sockets = [worker_socket(run_dir, slot) for slot in range(workers)]
    return NginxTemplate(template.read_text()).substitute(
        PORT=settings.port,
        PROCESSES=min(workers, MOST_PROCESSES),
        CONNECTIONS=connections(open_file_limit() if open_files is None else open_files),
        RUN_DIR=run_dir,
        SERVERS="\n".join(f"        server {server};" for server in servers(sockets)),
        SHARED_SOCKET=shared_socket(run_dir),
        FURTHER_TRIES=further_tries(TRIES if settings.quarantine else TRIES_WITHOUT_QUARANTINE),
        MAX_BODY_BYTES=settings.max_body_bytes or 0,
        PROXY_TIMEOUT=settings.timeout + PROXY_MARGIN,
        DRAIN_SECONDS=DRAIN_SECONDS,
        **{f"ERROR_{code.upper()}": body for code, body in error_bodies(settings).items()},
    )


def connections(open_files: int) -> int:
    """Return how many connections a process of nginx can have; each may need a file for its body beside it."""
    return max(OWN_FILES, min(MOST_CONNECTIONS, (open_files - OWN_FILES) // 2))


def servers(sockets: list[Path]) -> list[str]:
    """
    Return what nginx is to choose from: the workers, at these *sockets*.

    Beside the number of its requests nginx goes by weight: it asks the heaviest of the idle ones. With more requests
    the weights would be unfair, so from there on the same workers are there a second time, all alike.
    """
    alike = [f'"unix:{socket}" max_fails=0' for socket in sockets]
    if len(alike) == 1:
        return alike
    weights = [WARMTH ** max(0, WARM_WORKERS - 1 - slot) for slot in range(len(alike))]
    first = [
        f"{server} weight={weight} max_conns={WARM_REQUESTS}" for server, weight in zip(alike, weights, strict=True)
    ]
    return first + [f"{server} backup" for server in alike]


def further_tries(tries: int) -> str:
    """Return a location for each try after the first: at any worker, and after the last an error."""
    after = [f"= @try_{number}" for number in range(3, tries + 1)] + ["=503 /_error/unavailable"]
    return "\n\n".join(FURTHER_TRY % {"number": number, "after": next_} for number, next_ in enumerate(after, start=2))


def shared_socket(run_dir: Path) -> Path:
    """Return the path of the socket that gunicorn's arbiter holds for all workers."""
    return run_dir / "gunicorn.sock"


def worker_socket(run_dir: Path, slot: int) -> Path:
    """Return the path of the socket of the worker in *slot*."""
    return run_dir / f"worker-{slot}.sock"


def error_bodies(settings: Settings) -> dict[str, str]:
    """Return the JSON bodies of the errors that nginx itself answers, in the application's form."""
    limit = f"{(settings.max_body_bytes or 0) / 1024**2:.1f} MB"
    messages = {
        "bad_request": "The request is not valid HTTP.",
        "not_found": "There is nothing at this path.",
        "method_not_allowed": "This method is not for this path.",
        "not_implemented": "This version or feature of HTTP is not served here.",
        "payload_too_large": f"The body is larger than {limit}, the limit of this server.",
        "headers_too_large": "The request line or a header is too large.",
        "internal_error": "The server failed; the log has the details.",
        "unavailable": "The model is starting, restarting or stopping; GET /ping says more. Try again.",
        "overloaded": (
            "The model has more to do than it can in time. Try again later, at a lower rate, or let the endpoint "
            "scale out."
        ),
        "deadline_exceeded": "The model did not answer in time.",
    }
    return {code: body(code, message) for code, message in messages.items()}


def body(code: str, message: str) -> str:
    """Return an error body in which nginx fills in the request id."""
    return json.dumps({"error": {"code": code, "message": message, "request_id": "$answer_id"}})


def write_configuration(settings: Settings, workers: int, run_dir: Path) -> Path:
    """Write nginx's configuration into *run_dir* and return its path."""
    path = run_dir / "nginx.conf"
    new = path.with_suffix(".new")  # a whole file in the place of another, which may be another user's
    new.write_text(render(settings, workers, run_dir))
    return new.replace(path)
