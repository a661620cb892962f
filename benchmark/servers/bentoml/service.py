"""A service whose API takes the rows of several callers at once."""

import os
from typing import Any

import bentoml
import model_code


@bentoml.service(workers=int(os.environ["BENCHMARK_WORKERS"]), traffic={"timeout": 60}, metrics={"enabled": False})
class Rows:
    """The model."""

    def __init__(self) -> None:
        self.model = model_code.load()

    @bentoml.api(batchable=True, max_batch_size=128, max_latency_ms=10000)
    def predict(self, rows: list[list[Any]]) -> list[Any]:
        """Answer each row."""
        return model_code.predict(self.model, rows).tolist()
