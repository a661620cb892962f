"""Two ways to load: which one is meant?"""


class Handler:
    """A whole handler."""

    def initialize(self, model_dir):
        """Load the model."""
        self.model = "the model"

    def inference(self, inputs):
        """Return the answer."""
        return inputs


def model_fn(model_dir):
    """Return the model."""
    return "the model"
