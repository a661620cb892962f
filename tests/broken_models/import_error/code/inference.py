"""The package was on the machine that trained the model; it is in no requirements.txt."""

import a_package_that_is_not_installed


def model_fn(model_dir):
    """Return the model."""
    return a_package_that_is_not_installed.load(model_dir)
