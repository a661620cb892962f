"""Whatever the bytes: rows, or an error that is the caller's. Bodies are damaged at random, from fixed seeds."""

import random

import numpy as np
import pytest

from builders import MATRIX, TABLE, TEXT, npy, read
from serving.errors import RequestError
from serving.schema import InputSchema

JSON_BODY = '{"instances": [["M", 0.5, null], {"sex": "F", "length": 1e3}, {"features": ["\u0130", -7]}, "text", NaN]}'
BODIES = {
    "text/csv": 'M,0.5,9\n"F ""x""",,\r\nİ,1e-3\n'.encode(),
    "application/json": JSON_BODY.encode(),
    "application/jsonlines": b'["M", 0.5]\n{"sex": "F", "length": 0.25}\r\n{"text": "a"}\n"text"\n',
    "application/x-npy": npy(np.array([("M", 0.5), ("F", 0.25)], [("sex", "<U1"), ("length", "<f8")])),
    "application/x-npy; plain": npy(np.array([[1.0, 2.0], [3.0, np.nan]])),
    "application/x-npy; strings": npy(np.array([["M", "1"]], "S")),
    "text/plain": "So schön\n".encode(),
}
ROUNDS = 400


def damaged(body: bytes, chance: random.Random) -> bytes:
    """Return *body* with up to four bytes changed, cut out or doubled."""
    damage = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(damage) + 1)
        end = start + chance.choice([0, 1, 1, 2, 20])
        piece = chance.choice(
            [b"", bytes([chance.randrange(256)]), chance.choice(b"[]{}()'\",:0-\n\0").to_bytes(), damage[start:end] * 2]
        )
        damage[start:end] = piece
    return bytes(damage)


def complaint(body: bytes, content_type: str, schema: InputSchema) -> str | None:
    """Return what is wrong with how the body was taken: any exception but a refusal."""
    try:
        read(body, content_type, schema)
    except RequestError as error:
        return None if error.status < 500 else f"{error.status} for {body!r}"
    except Exception as error:
        return f"{type(error).__name__} ({error}) for {body!r}"
    return None


@pytest.mark.parametrize("schema", [TABLE, MATRIX, TEXT], ids=["table", "matrix", "text"])
@pytest.mark.parametrize("content_type", BODIES)
@pytest.mark.filterwarnings("ignore")  # NumPy has opinions on some of these headers
def test_a_damaged_body_is_read_or_refused(content_type: str, schema: InputSchema) -> None:
    chance = random.Random(f"{content_type} {schema.kind}")
    bodies = (damaged(BODIES[content_type], chance) for _ in range(ROUNDS))
    complaints = [found for body in bodies if (found := complaint(body, content_type, schema))]
    assert complaints == []
