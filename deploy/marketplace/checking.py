"""Everything that is wrong with a CreateModelPackage request, before anybody is asked."""

import json
from pathlib import Path
from typing import Any

from deploy.errors import Refused
from deploy.marketplace import rules, service_model


def faults(request: Any) -> list[str]:
    """Return a sentence for each fault, the service model's first."""
    if not isinstance(request, dict):
        return ["The request is no table of names and values."]
    return [*service_model.faults(request), *rules.faults(request)]


def require_possible(request: Any) -> None:
    """Raise `Refused` with every fault of the request."""
    if found := faults(request):
        count = "1 fault" if len(found) == 1 else f"{len(found)} faults"
        raise Refused(f"This package would not be taken: {count}.", *found)


def read_request(path: Path) -> Any:
    """Return the request in a JSON file, which somebody else may have made."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise Refused(f"{path} is not JSON: {error}.") from error
