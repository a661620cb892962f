"""A handler that wants more than there is."""


class Handler:
    """A handler that cannot be called."""

    def initialize(self, model_dir, device):
        """Load the model."""
        self.model, self.device = "the model", device

    def inference(self, inputs):
        """Return the answer."""
        return inputs
