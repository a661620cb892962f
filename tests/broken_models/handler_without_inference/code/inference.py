"""A handler that loads, and cannot answer."""


class Handler:
    """Half of a handler."""

    def initialize(self, model_dir):
        """Load the model."""
        self.model = "the model"
