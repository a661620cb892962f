"""
A stand-in for the library of AWS's scikit-learn container, for the part that an `inference.py` uses.

Scripts written for that container often begin with `from sagemaker_containers.beta.framework import encoders, worker`.
The library itself is no longer kept up and would bring a web server of its own; these few names are all that such a
script needs to run here unchanged.
"""
