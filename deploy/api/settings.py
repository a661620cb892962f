"""What the file of an API can say: `deploy/apis/NAME.toml`, NAME being the stage whose endpoint it calls."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from deploy.api.handler import CONNECT_SECONDS
from deploy.errors import Refused
from deploy.stage import patterns
from deploy.stage.files import require_stage_name
from deploy.stage.kinds import Table
from deploy.stage.wording import in_words

APIS = Path(__file__).parents[1] / "apis"
ROUTE = "POST /demo"
LAMBDA_SECONDS = 29  # the HTTP API gives up after 30, whatever one says
MARGIN = 1  # seconds of these in which the function does what is not waiting
SKELETON = """\
# The API of the endpoint {name}: docs/api.md has every setting.
origin = "{origin}"   # of the page that may call it: scheme and host, no path

# accepts = ["text/plain", "application/json"]
# json_key = "inputs"        # {{"inputs": ["a text", "another"]}}
# max_bytes = 32768          # of a request
# requests_per_second = 10   # of everybody together
# burst = 20
# concurrency = 10           # requests that Lambda answers at a time: what bounds the costs
# attempts = 2
# read_seconds = 12          # of each; all attempts together have to be over within 28 s
"""


class Api(Table):
    """An HTTP API in front of an endpoint."""

    origin: str = Field(pattern=patterns.ORIGIN)
    accepts: list[Literal["text/plain", "application/json"]] = Field(
        default=["text/plain", "application/json"], min_length=1
    )
    json_key: Annotated[str, Field(pattern=patterns.VARIABLE)] = "inputs"
    max_bytes: int = Field(default=32_768, ge=1, le=4_000_000)
    requests_per_second: int = Field(default=10, ge=1, le=10_000)
    burst: int = Field(default=20, ge=1, le=5_000)
    concurrency: int = Field(default=10, ge=1, le=1_000)
    attempts: int = Field(default=2, ge=1, le=4)
    read_seconds: float = Field(default=12, gt=0, strict=False)
    memory_mb: int = Field(default=512, ge=128, le=10_240)
    keep_logs_days: Literal[1, 3, 5, 7, 14, 30, 60, 90] = 30

    def environment(self, endpoint: str) -> dict[str, str]:
        """Return what the function reads."""
        return {
            "ENDPOINT_NAME": endpoint,
            "ACCEPTS": ",".join(self.accepts),
            "JSON_KEY": self.json_key,
            "MAX_BYTES": str(self.max_bytes),
            "ATTEMPTS": str(self.attempts),
            "READ_SECONDS": f"{self.read_seconds:g}",
        }


def longest(api: Api) -> float:
    """Return the seconds after which the function has its answer or gives up: attempts, and the pauses between."""
    pauses = (1 << (api.attempts - 1)) - 1  # in botocore's standard mode at most 1 s, then 2, then 4
    return api.attempts * (CONNECT_SECONDS + api.read_seconds) + pauses


def read_api(name: str, folder: Path = APIS) -> Api:
    """Return the API of the stage *name*; raise `Refused` with everything that is wrong with its file."""
    path = folder / f"{require_stage_name(name)}.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(
            f"{name} has no API: looked for {path}.",
            f"make new_api API={name} ORIGIN=https://… writes one; ORIGIN is where its page will be.",
        ) from None
    except ValueError as error:
        raise Refused(f"{path} is not TOML: {error}.") from None
    return parse_api(content, str(path))


def parse_api(content: Mapping[str, Any], where: str) -> Api:
    """Return the API that *content* describes; raise `Refused` with everything that is wrong with it."""
    try:
        api = Api.model_validate(content)
    except ValidationError as error:
        raise Refused(f"{where} is no API:", *in_words(error, Api)) from None
    if longest(api) >= LAMBDA_SECONDS - MARGIN:
        raise Refused(
            f"{where} is no API:",
            f"attempts = {api.attempts} of read_seconds = {api.read_seconds:g} can take {longest(api):g} s; less than "
            f"{LAMBDA_SECONDS - MARGIN} s is needed, for Lambda is ended after {LAMBDA_SECONDS} s: its caller would "
            "learn nothing. Make one of them smaller.",
        )
    return api


def write_api(name: str, origin: str, folder: Path = APIS) -> Path:
    """Write the file of a new API and return its path; raise `Refused` if there is one, or if it makes no sense."""
    path = folder / f"{require_stage_name(name)}.toml"
    if path.exists():
        raise Refused(f"{path} is there already.", "Edit it; an update is an edited file.")
    if not origin:
        raise Refused("No origin was named: ORIGIN=https://… is where the page will be, without a path.")
    parse_api({"origin": origin}, str(path))
    folder.mkdir(exist_ok=True)
    path.write_text(SKELETON.format(name=name, origin=origin), encoding="utf-8")
    return path
