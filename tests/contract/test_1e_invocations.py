"""`/invocations`: what it takes and how long, and the other paths that SageMaker may ask."""

from contract.asking import ask_sample, fetch, is_fault_of_the_caller, refuses_size, status_of
from contract.clauses import MARKETPLACE, PROFILES, REAL_TIME, SERVERLESS, clause
from contract.metrics import is_prometheus

PATIENCE = 15.0  # a late answer tells more than none
MOST_SAID = 120


@clause(
    "1.30",
    "answer POST /invocations with 200",
    "Read the log for what went wrong. If the request is not one of your model's, name one: --sample FILE.",
    required=PROFILES,
    quick=True,
)
def test_the_sample_is_answered(server, shared, sample, saw):
    """Sends the sample request to /invocations."""
    answer = shared.answer()
    said = "" if answer.status_code == 200 else f"; it says: {answer.text[:MOST_SAID] or 'nothing'}"
    saw(f"{status_of(answer)} to {len(sample.body)} bytes of {sample.content_type}{said}")
    assert answer.status_code == 200


@clause(
    "1.31",
    "take requests of up to 25 MB",
    "In nginx: `client_max_body_size 26m;` (AWS's sample says 5m). In Flask: no smaller MAX_CONTENT_LENGTH.",
    required=(REAL_TIME, MARKETPLACE),
)
def test_a_large_body_is_taken(server, sample, answer, limits, saw):
    """Sends the sample with line feeds after it, 25 MB in all; if that is refused, with a few line feeds."""
    assert not refuses_size(server, sample, limits.payload_bytes, limits.answer_seconds, saw)


@clause(
    "1.32",
    "let an answer take its time, up to 60 s",
    "Give nginx (`proxy_read_timeout 75s;`) and gunicorn (`--timeout 75`) more patience than SageMaker has.",
    recommended=(REAL_TIME, SERVERLESS, MARKETPLACE),
)
def test_a_slow_answer_arrives(server, further_sample, limits, saw):
    """Sends a request that takes the model long."""
    slow = further_sample("slow")
    answer = ask_sample(server, slow, seconds=limits.answer_seconds + PATIENCE)
    seconds = answer.elapsed.total_seconds()
    saw(f"{status_of(answer)} after {seconds:.1f} s")
    assert answer.status_code == 200
    assert seconds < limits.answer_seconds


@clause(
    "1.41",
    "answer GET /metrics with metrics, or with 404",
    "Where you have no metrics, say 404. Where you have some: as text, in Prometheus' format.",
    recommended=(REAL_TIME, MARKETPLACE),
)
def test_metrics_are_metrics_or_not_there(server, saw):
    """Asks for /metrics, as SageMaker does every minute where an endpoint's detailed observability is on."""
    answer = fetch(server, "/metrics")
    is_metrics = answer.status_code == 200 and is_prometheus(answer.text)
    kind = "metrics" if is_metrics else "no metrics"
    saw(status_of(answer) + (f", {kind}" if answer.status_code == 200 else ""))
    assert is_metrics or is_fault_of_the_caller(answer)


@clause(
    "5.08",
    "keep request and answer within 4 MB on a serverless endpoint",
    "Send or answer less: smaller batches, a denser format. Where that cannot be, deploy in real time.",
    required=(SERVERLESS,),
)
def test_sample_and_answer_are_small_enough_for_serverless(sample, answer, limits, saw):
    """Looks at the size of the sample and of its answer."""
    sizes = len(sample.body), len(answer.content)
    saw(f"{sizes[0]} bytes in, {sizes[1]} out")
    assert max(sizes) <= limits.serverless_bytes
