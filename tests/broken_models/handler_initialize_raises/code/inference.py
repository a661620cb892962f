"""A handler whose file is not there."""

from pathlib import Path


class Handler:
    """A handler that cannot load."""

    def initialize(self, model_dir):
        """Load the model."""
        self.model = (Path(model_dir) / "weights.bin").read_bytes()

    def inference(self, inputs):
        """Return the answer."""
        return inputs
