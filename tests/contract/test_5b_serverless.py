"""Serverless: little memory, another user, and no patience."""

from contract.clauses import BATCH, MARKETPLACE, PIPELINE, REAL_TIME, SERVERLESS, clause
from contract.running import NotHealthy, wait_until_healthy
from contract.surroundings import memory_ran_out, require_answer
from contract.targets import UrlTarget, not_applicable


@clause(
    "5.09",
    "be healthy within 3 minutes of the start",
    "Install and download nothing at start, and load a smaller model, or less of it. Downloading the image counts too.",
    required=(SERVERLESS,),
)
def test_the_start_takes_less_than_three_minutes(server, target, shared, limits, saw):
    """Times the start of the server that all checks share."""
    if isinstance(target, UrlTarget):
        not_applicable("about the start; the server at a URL was started before")
    saw(f"healthy after {shared.seconds_to_healthy:.1f} s")
    assert shared.seconds_to_healthy < limits.serverless_startup_seconds


@clause(
    "5.10",
    "fit into 1 GB of memory, the smallest serverless size",
    "Start fewer workers (each may hold a copy of the model), or choose 2 to 6 GB for the endpoint.",
    recommended=(SERVERLESS,),
)
def test_one_gigabyte_of_memory_is_enough(launch, answer, sample, limits, saw):
    """Starts it with 1 GB of memory and sends the sample."""
    memory = f"{int(limits.serverless_memory_bytes)}b"
    server = launch("--memory", memory, "--memory-swap", memory)
    try:
        wait_until_healthy(server, limits.startup_seconds)
        require_answer(server, sample, lambda text: None)
    except (NotHealthy, AssertionError) as reason:
        saw("its memory ran out" if memory_ran_out(server) else str(reason))
        raise
    saw("healthy; the sample is answered 200")


@clause(
    "5.12",
    "work as a user that owns nothing in the image",
    "Make what it reads readable (RUN chmod -R a+rX FOLDER), and write below /tmp only. nginx: its pid, *_temp_path "
    "and logs; no `user` line. docker run --user 12345:12345 IMAGE serve shows what fails.",
    required=(SERVERLESS,),
    recommended=(REAL_TIME, BATCH, PIPELINE, MARKETPLACE),
)
def test_any_user_will_do(start, answer, sample, saw):
    """Starts it with --user 12345:12345 and sends the sample."""
    require_answer(start("--user", "12345:12345"), sample, saw)
