"""LitServe: workers that take what has come in within 5 ms, up to 128 rows."""

import os
from typing import Any

import litserve
import model_code

WORKERS = int(os.environ["BENCHMARK_WORKERS"])


class Rows(litserve.LitAPI):
    """The model."""

    def setup(self, device: str) -> None:
        """Load it."""
        del device
        self.model = model_code.load()

    def decode_request(self, request: dict[str, Any]) -> Any:
        """Return the caller's row."""
        return request["row"]

    def batch(self, inputs: list[Any]) -> list[Any]:
        """Leave the rows in a list."""
        return inputs

    def predict(self, x: list[Any]) -> Any:
        """Answer each row."""
        return model_code.predict(self.model, x)

    def unbatch(self, output: Any) -> list[Any]:
        """Return each row's answer."""
        return list(output.tolist())

    def encode_response(self, output: Any) -> dict[str, Any]:
        """Return it in JSON."""
        return {"output": output}


if __name__ == "__main__":
    server = litserve.LitServer(
        Rows(max_batch_size=128, batch_timeout=0.005),
        accelerator="cpu",
        workers_per_device=WORKERS,
        timeout=60,
        fast_queue=True,
    )
    server.run(
        host="127.0.0.1", port=int(os.environ["BENCHMARK_PORT"]), num_api_servers=WORKERS, generate_client_file=False
    )
