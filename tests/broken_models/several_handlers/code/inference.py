"""Two handlers: which one is meant?"""


class First:
    """A whole handler."""

    def initialize(self, model_dir):
        """Load the model."""
        self.model = "the model"

    def inference(self, inputs):
        """Return the answer."""
        return inputs


class Second:
    """Another one."""

    def initialize(self, model_dir):
        """Load the model."""
        self.model = "another model"

    def inference(self, inputs):
        """Return the answer."""
        return inputs
