"""Batch transform: the same server, with larger bodies and more patience."""

import pytest

from contract.asking import (
    JOBS,
    ask_sample,
    fetch,
    in_pieces,
    is_another,
    is_fault_of_the_caller,
    refuses_size,
    status_of,
)
from contract.clauses import BATCH, clause
from contract.jobs import faults_of_parameters
from contract.lines import answers_in_lines, faults_of_lines, has_lines, is_disordered
from contract.running import NotHealthy, ask, wait_until_healthy
from contract.targets import UrlTarget, not_applicable

BATCH_SECONDS = 600  # 4.10
JOB = {
    "SAGEMAKER_BATCH": "true",
    "SAGEMAKER_MAX_PAYLOAD_IN_MB": "100",
    "SAGEMAKER_BATCH_STRATEGY": "MULTI_RECORD",
    "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "1",
}
LOCAL_MODE = {"SAGEMAKER_BATCH": "True"}


@pytest.fixture(scope="module")
def job_server(shared, target):
    """A server that is started as a job starts it, and not waited for."""
    try:
        shared.server()
    except NotHealthy:
        pytest.skip("blocked: the target does not become healthy, see 1.01")
    server = target.launch(model=target.model, **JOB)
    yield server
    server.close()


@pytest.fixture
def job(job_server, answer, limits):
    """The same, healthy."""
    try:
        wait_until_healthy(job_server, limits.startup_seconds)
    except NotHealthy:
        pytest.skip("blocked: the target does not become healthy in a job, see 4.02")
    return job_server


@clause(
    "4.02",
    "serve in batch transform as on an endpoint",
    "Ignore SAGEMAKER_BATCH and its like, or compare in lower case: SageMaker writes true, local mode True.",
    required=JOBS,
)
def test_it_serves_in_a_job(answer, job_server, start, sample, limits, saw):
    """Starts the target with a job's variables, and with those of local mode; sends the sample to each."""
    wait_until_healthy(job_server, limits.startup_seconds)
    answers = [ask_sample(server, sample) for server in (job_server, start(**LOCAL_MODE))]
    saw(", ".join(f"with {name}: {status_of(given)}" for name, given in zip(("true", "True"), answers, strict=True)))
    assert all(given.status_code == 200 for given in answers)


@clause(
    "4.03",
    "answer /execution-parameters sensibly, or with 404",
    'Answer JSON such as {"MaxConcurrentTransforms": 4, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}, the '
    "product of the numbers at most 100; or have no such path.",
    required=JOBS,
)
def test_execution_parameters_are_sensible(server, target, request, saw):
    """Asks for /execution-parameters, as a job does before its first request."""
    asked = server if isinstance(target, UrlTarget) else request.getfixturevalue("job")
    answer = fetch(asked, "/execution-parameters")
    is_there = answer.status_code == 200
    faults = faults_of_parameters(answer.content) if is_there else []
    saw("; ".join([status_of(answer), *([answer.text[:80]] if is_there else []), *faults]))
    assert is_there or is_fault_of_the_caller(answer)
    assert not faults


@clause(
    "4.04",
    "take requests of up to 100 MB in a job",
    "Heed SAGEMAKER_MAX_PAYLOAD_IN_MB, or in nginx: `client_max_body_size 101m;`. Until then, keep the job's "
    "MaxPayloadInMB below what you take.",
    recommended=JOBS,
)
def test_a_very_large_body_is_taken_in_a_job(job, sample, limits, saw):
    """Sends the sample with line feeds after it, 100 MB in all, to a server with SAGEMAKER_MAX_PAYLOAD_IN_MB=100."""
    assert not refuses_size(job, sample, limits.batch_payload_bytes, BATCH_SECONDS, saw)


@clause(
    "4.05",
    "read a body that comes in chunks",
    "Do not go by Content-Length, which is missing then: nginx before the application joins chunks "
    "(`proxy_request_buffering on;`, its default). Or never set MaxPayloadInMB=0.",
    recommended=JOBS,
)
def test_a_body_in_chunks_is_read(server, sample, answer, saw):
    """Sends the sample in chunks, without its length, as a job with MaxPayloadInMB=0 does."""
    given = ask(server, in_pieces(sample.body), {"Content-Type": sample.content_type})
    differs = given.status_code == 200 and is_another(given, answer, lambda: ask_sample(server, sample))
    saw(status_of(given) + (", with another body than for the same in one piece" if differs else ""))
    assert given.status_code == 200
    assert not differs


@clause(
    "4.07",
    "answer one line for each line, in order",
    "Write a line for each record, whether or not the last one ends with a line feed, and share nothing between "
    "requests: a job joins what you answer to what it sent by the lines' order alone.",
    recommended=JOBS,
)
def test_each_line_gets_one_line(server, sample, answer, saw):
    """Sends one line and three, with and without a last line feed; several bodies at once; lines alone and together."""
    if not has_lines(sample):
        not_applicable(f"{sample.content_type} has no lines")
    if not answers_in_lines(server, sample):
        not_applicable(f"it does not answer a single line of its sample in lines, asked for {sample.content_type}")
    faults = list(faults_of_lines(server, sample))
    disordered = is_disordered(server, sample)
    order = {
        None: "the order is not seen, for the lines' answers are alike, or vary",
        False: "in order",
        True: "in another order",
    }
    saw(f"{'; '.join(faults) or 'as many lines as were sent'}; {order[disordered]}")
    assert not faults
    assert not disordered


@clause(
    "4.11",
    "answer the same request in the same way again",
    "Keep nothing between requests, and fix the seeds: a job sends a failed request up to three times more.",
    recommended=(BATCH,),
)
def test_the_same_request_gets_the_same_answer(server, sample, answer, saw):
    """Sends the sample twice."""
    again = [ask_sample(server, sample) for _ in range(2)]
    is_same = all(given.content == answer.content for given in again)
    saw(f"{', '.join(map(status_of, again))}, {'the same body' if is_same else 'another body'}")
    assert is_same
