"""A synchronous handler, which FastAPI runs in its pool of threads."""

from typing import Annotated

import model_code
from fastapi import Depends, FastAPI, Request, Response

app = FastAPI()
MODEL = model_code.load()


async def body_of(request: Request) -> bytes:
    """Return the body as it came."""
    return await request.body()


@app.get("/ping")
def ping() -> Response:
    """Say that there is a model."""
    return Response()


@app.post("/invocations")
def invocations(body: Annotated[bytes, Depends(body_of)]) -> Response:
    """Answer lines of CSV."""
    return Response(model_code.predict_csv(MODEL, body.decode()), media_type="text/csv")
