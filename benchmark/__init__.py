"""Measure this server beside others, and say what one instance of a model holds: `python -m benchmark`."""
