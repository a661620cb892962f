"""What a batch transform job makes of `/execution-parameters`."""

import json
import math
from typing import Any

STRATEGIES = ("MULTI_RECORD", "SINGLE_RECORD")
MAX_IN_FLIGHT = 100  # MB: requests at once times the size of each
NUMBERS = ("MaxConcurrentTransforms", "MaxPayloadInMB")


def faults_of_parameters(body: bytes) -> list[str]:
    """Return what is wrong with the answer to `GET /execution-parameters`."""
    try:
        parameters = json.loads(body)
    except ValueError:
        return ["no JSON"]
    if not isinstance(parameters, dict):
        return ["no JSON object"]
    numbers = {name: parameters[name] for name in NUMBERS if name in parameters}
    faults = [f"{name} is no whole number" for name, number in numbers.items() if not is_count(number)]
    if not faults and numbers.keys() == set(NUMBERS) and math.prod(numbers.values()) > MAX_IN_FLIGHT:
        faults.append(f"{' times '.join(NUMBERS)} is more than {MAX_IN_FLIGHT}")
    if not faults and numbers.get("MaxPayloadInMB", 0) > MAX_IN_FLIGHT:
        faults.append(f"MaxPayloadInMB is more than {MAX_IN_FLIGHT}")
    if parameters.get("BatchStrategy", STRATEGIES[0]) not in STRATEGIES:
        faults.append(f"BatchStrategy is none of {', '.join(STRATEGIES)}")
    return faults


def is_count(value: Any) -> bool:
    """Tell whether a value is a whole number from 0 on."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
