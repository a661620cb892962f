"""APIs of sample stages, as templates; the function's code is left out of what is compared as a whole."""

import copy
from pathlib import Path
from typing import Any

from deploy.api.settings import Api, parse_api
from deploy.api.template import render
from deploy.facts import Account
from deploy.stack.template import as_text
from sample_stages import ACCOUNT, stage_of

EXPECTED = Path(__file__).parent / "expected" / "api.json"
ORIGIN = "https://reviews.example.com"


def api_of(**settings: Any) -> Api:
    return parse_api({"origin": ORIGIN, **settings}, "rings.toml")


def template_of(name: str = "rings", account: Account = ACCOUNT, **settings: Any) -> dict[str, Any]:
    return render(stage_of("serverless", name=name), api_of(**settings), account)


def compared() -> str:
    template = copy.deepcopy(template_of())
    template["Resources"]["Function"]["Properties"]["Code"] = {"ZipFile": "(deploy/api/handler.py)"}
    return as_text(template) + "\n"


if __name__ == "__main__":
    EXPECTED.parent.mkdir(exist_ok=True)
    EXPECTED.write_text(compared())
