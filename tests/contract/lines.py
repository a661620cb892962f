"""One line out for each line in: how a job counts on it, and what can be wrong."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import requests

from contract.asking import media_type, status_of
from contract.running import ask
from contract.samples import LINE_FORMATS, Sample
from server import Server

SIZES_AT_ONCE = (1, 2, 3, 4) * 2
MOST_ROWS = 3


def lines_of(body: bytes) -> list[bytes]:
    """Return the lines that say something."""
    return [line for line in body.splitlines() if line.strip()]


def has_lines(sample: Sample) -> bool:
    """Tell whether each line of the sample is a record."""
    return media_type_of(sample) in LINE_FORMATS and bool(lines_of(sample.body))


def media_type_of(sample: Sample) -> str:
    """Return the sample's media type without parameters."""
    return sample.content_type.partition(";")[0].strip().lower()


def ask_lines(server: Server, sample: Sample, lines: list[bytes], end: bytes = b"\n") -> requests.Response:
    """Send some lines, and ask for lines."""
    headers = {"Content-Type": sample.content_type, "Accept": media_type_of(sample)}
    return ask(server, b"\n".join(lines) + end, headers)


def answers_in_lines(server: Server, sample: Sample) -> bool:
    """Tell whether the model answers a single line at all, and in a format of lines; the first may be a header."""
    answer = ask_lines(server, sample, lines_of(sample.body)[-1:])
    return answer.status_code == 200 and media_type(answer) in LINE_FORMATS


def faults_of_lines(server: Server, sample: Sample) -> Iterator[str]:
    """Yield what is wrong with the answers' lines."""
    row = lines_of(sample.body)[-1]
    for count in (1, 3):
        for end, words in ((b"", "without"), (b"\n", "with")):
            fault = fault_of_count(ask_lines(server, sample, [row] * count, end), count)
            yield from [f"{fault} {words} a line feed at the end"] if fault else []
    with ThreadPoolExecutor(len(SIZES_AT_ONCE)) as pool:
        answers = list(pool.map(lambda count: ask_lines(server, sample, [row] * count), SIZES_AT_ONCE))
    mixed = [fault for fault in map(fault_of_count, answers, SIZES_AT_ONCE) if fault]
    yield from [f"{mixed[0]} with others at the same time"] if mixed else []


def fault_of_count(answer: requests.Response, sent: int) -> str:
    """Return how the answer's lines are not as many as were sent, "" if they are."""
    got = len(lines_of(answer.content))
    if answer.status_code == 200 and got == sent:
        return ""
    return f"{f'{got} lines' if answer.status_code == 200 else status_of(answer)} for {sent}"


def is_disordered(server: Server, sample: Sample) -> bool | None:
    """Tell whether lines together get what each gets alone, but in another order; None where that is not seen."""
    rows = lines_of(sample.body)[-MOST_ROWS:]
    alone = [line for row in rows for line in lines_of(ask_lines(server, sample, [row]).content)]
    together = lines_of(ask_lines(server, sample, rows).content)
    is_seen = len(set(alone)) > 1 and Counter(alone) == Counter(together)
    return together != alone if is_seen else None
