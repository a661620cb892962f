"""
What a model folder, or a server, answers to the samples.

`python -m deploy.marketplace.answering`, with SM_MODEL_DIR set and `container/code` on the path, is the process that
loads a folder as the server does. Requests come on stdin, JSON on each line; answers go to stdout, in Base64.
"""

import base64
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from deploy.errors import Refused
from deploy.marketplace.exchanges import Question

ROOT = Path(__file__).parents[2]
SECONDS = 60  # SageMaker's limit for one answer


def of_folder(folder: Path, questions: Sequence[Question], environment: Mapping[str, str]) -> list[bytes]:
    """
    Return what the model in *folder* answers.

    Args:
        environment: the container's, that the seller's file asks for.

    Raises:
        Refused: if it does not load, or refuses a sample.
    """
    path = os.pathsep.join((str(ROOT), str(ROOT / "container" / "code")))
    done = subprocess.run(
        [sys.executable, "-m", "deploy.marketplace.answering"],
        env={**os.environ, **environment, "SM_MODEL_DIR": str(folder), "PYTHONPATH": path},
        input="\n".join(map(as_line, questions)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Refused(f"The model in {folder} does not answer the samples:", last, "See it with: make serve MODEL=…")
    return [base64.b64decode(line) for line in done.stdout.splitlines()]


def of_server(url: str, questions: Sequence[Question]) -> Iterator[bytes]:
    """Yield what the server at *url* answers; raise `Refused` if it does not answer, or refuses a sample."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for one in questions:
        headers = {"Content-Type": one.content_type, "Accept": one.accept}
        request = urllib.request.Request(f"{url.rstrip('/')}/invocations", one.body, headers)  # noqa: S310
        try:
            with direct.open(request, timeout=SECONDS) as answer:
                yield answer.read()
        except urllib.error.HTTPError as error:
            said = error.read()[:200].decode(errors="replace")
            raise Refused(f"{one.name}: the server answers {error.code}: {said}") from error
        except (OSError, ValueError) as error:
            raise Refused(f"{url} does not answer: {error}", "Start it: make serve MODEL=…") from error


def as_line(question: Question) -> str:
    """Return a request as a line of JSON."""
    body = base64.b64encode(question.body).decode()
    return json.dumps({"name": question.name, "body": body, "type": question.content_type, "accept": question.accept})


def main() -> None:
    """Load the model folder that the environment names, and answer what comes on stdin."""
    with answers_alone() as stdout:
        for answer in _answers():
            stdout.write(base64.b64encode(answer).decode() + "\n")


def answers_alone() -> TextIO:
    """Return what writes to stdout; whatever else is printed, be it by a library in C, goes to stderr from now on."""
    stdout = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return stdout


def _answers() -> Iterator[bytes]:
    from serving.errors import RequestError, StartError
    from serving.inference import InferenceRequest
    from serving.loading import load_model
    from serving.settings import Settings

    try:
        model = load_model(Settings.from_environment(os.environ))
    except StartError as error:
        sys.exit(str(error))
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            request = InferenceRequest(base64.b64decode(asked["body"]), asked["type"], asked["accept"])
            yield model.transform(request).read()
        except RequestError as error:
            sys.exit(f"{asked['name']}: {error.status} {error.message}")


if __name__ == "__main__":
    main()
