"""`/invocations`: which headers a request may bring, and those of its answer."""

from contract.asking import (
    ENDPOINTS,
    UNHEARD_OF,
    ask_sample,
    fetch,
    is_fault_of_the_server,
    is_the_same,
    media_type,
    status_of,
    told,
)
from contract.clauses import PIPELINE, PROFILES, REAL_TIME, clause
from contract.headers import (
    CUSTOM_ATTRIBUTES,
    DOCUMENTED,
    LONG,
    NEW_SESSION,
    SESSION_ID,
    UNKNOWN,
    fault_of_attributes,
    fault_of_session,
)
from contract.targets import not_applicable


@clause(
    "1.33",
    "bear headers that it does not know",
    "Ignore what you do not know. For many headers: gunicorn's `--limit-request-fields`, nginx's "
    "`large_client_header_buffers 8 16k;`.",
    required=PROFILES,
)
def test_unknown_headers_are_borne(server, sample, answer, saw):
    """Sends the sample with 50 headers that nobody knows and with those that AWS documents."""
    answers = {
        f"{len(UNKNOWN)} unknown headers": ask_sample(server, sample, UNKNOWN),
        f"{len(DOCUMENTED)} that AWS documents": ask_sample(server, sample, DOCUMENTED),
    }
    saw(told(answers))
    assert all(answer.status_code == 200 for answer in answers.values())


@clause(
    "1.34",
    "bear header values of up to 1024 characters",
    "Raise what limits them: nginx's `large_client_header_buffers 8 16k;`, gunicorn's `--limit-request-field_size`.",
    required=ENDPOINTS,
)
def test_long_header_values_are_borne(server, sample, answer, saw):
    """Sends the sample with custom attributes and a target model of 1024 characters."""
    long = ask_sample(server, sample, LONG)
    saw(f"{status_of(long)} to {len(LONG)} headers of 1024 characters")
    assert long.status_code == 200


@clause(
    "1.35",
    "read Content-Type as HTTP writes it",
    "Compare in lower case: `request.mimetype` in Flask. Answer an unknown type with 415, never with a 5xx.",
    recommended=PROFILES,
)
def test_content_type_is_read_as_http_writes_it(server, sample, answer, saw):
    """Sends the sample with its type in capitals, without a type, and with an unknown one."""
    name, semicolon, parameters = sample.content_type.partition(";")
    written = {"in capitals": name.upper() + semicolon + parameters, "missing": None, "unknown": UNHEARD_OF}
    answers = {how: ask_sample(server, sample, {"Content-Type": written[how]}) for how in written}
    saw(told(answers))
    assert is_the_same(answers["in capitals"], answer, lambda: ask_sample(server, sample))
    assert not any(is_fault_of_the_server(other) for other in answers.values())


@clause(
    "3.33",
    "take the Content-Type of the container before, parameters and all",
    "Compare only what stands before the `;`: `request.mimetype` in Flask. In a pipeline the type is that of the "
    "container before, and Flask for one answers `text/csv; charset=utf-8`.",
    required=(PIPELINE,),
    recommended=PROFILES,
)
def test_a_content_type_may_have_parameters(server, sample, answer, saw):
    """Sends the sample with a charset after its type."""
    name, semicolon, _ = sample.content_type.partition(";")
    written = sample.content_type if semicolon else f"{name}; charset=utf-8"
    other = ask_sample(server, sample, {"Content-Type": written})
    saw(f"{status_of(other)} to {written}")
    assert is_the_same(other, answer, lambda: ask_sample(server, sample))


@clause(
    "1.36",
    "read Accept as HTTP writes it",
    "Take a missing Accept and */* for your default, and look through a list: `request.accept_mimetypes` in Flask. "
    "Answer an unknown type with 406 or your default, never with a 5xx.",
    recommended=PROFILES,
)
def test_accept_is_read_as_http_writes_it(server, sample, answer, saw):
    """Sends the sample without Accept, with */*, with a list that has its answer's type, and with an unknown one."""
    written = {
        "missing": None,
        "*/*": "*/*",
        "a list": f"{UNHEARD_OF};q=0.5, {media_type(answer) or '*/*'};q=0.9",
        "unknown": UNHEARD_OF,
    }
    answers = {how: ask_sample(server, sample, {"Accept": written[how]}) for how in written}
    saw(told(answers))
    assert all(answers[how].status_code == 200 for how in written if how != "unknown")
    assert not is_fault_of_the_server(answers["unknown"])


@clause(
    "1.37",
    "name the answer's Content-Type, which the caller gets",
    "Say what the body is: in Flask `Response(body, mimetype='application/json')`. Its default is text/html.",
    recommended=PROFILES,
)
def test_the_answer_names_its_type(server, answer, saw):
    """Reads the Content-Type of the answer to the sample, and of an error; text/html is right for HTML only."""
    answers = {"answer": answer, "error": fetch(server, "/there-is-nothing-here")}
    saw(", ".join(f"{what}: {media_type(given) or 'no type'}" for what, given in answers.items()))
    for given in answers.values():
        is_html = given.content.lstrip().startswith(b"<")
        assert media_type(given) or not given.content
        assert media_type(given) != "text/html" or is_html or not given.content


@clause(
    "1.38",
    "keep custom attributes to 1024 visible ASCII characters",
    "Shorten what you put into X-Amzn-SageMaker-Custom-Attributes, and encode what is not ASCII.",
    required=ENDPOINTS,
)
def test_custom_attributes_of_the_answer_can_be_passed_on(server, sample, answer, saw):
    """Sends the sample with custom attributes, and reads those of the answer."""
    given = ask_sample(server, sample, {CUSTOM_ATTRIBUTES: "trace-id=1234"}).headers.get(CUSTOM_ATTRIBUTES)
    if given is None:
        not_applicable("its answers have no custom attributes; SageMaker asks for none")
    fault = fault_of_attributes(given)
    saw(fault or f"{len(given)} characters")
    assert not fault


@clause(
    "1.39",
    "open a session as the guide says",
    "Answer with the header `X-Amzn-SageMaker-Session-Id: ID; Expires=2030-12-31T23:59:59Z`, the time in UTC.",
    required=(REAL_TIME,),
)
def test_a_session_is_opened_with_a_header(server, further_sample, saw):
    """Sends a request that opens a session, with X-Amzn-SageMaker-Session-Id: NEW_SESSION, and reads the answer's."""
    answer = ask_sample(server, further_sample("session"), {SESSION_ID: NEW_SESSION})
    given = answer.headers.get(SESSION_ID)
    fault = fault_of_session(given)
    saw(f"{status_of(answer)}; {SESSION_ID}: {given}" + (f": {fault}" if fault else ""))
    assert answer.status_code == 200
    assert not fault
