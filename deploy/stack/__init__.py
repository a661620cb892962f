"""A stage on AWS.

Its template is in `template`, `resources/` and `policies`, its stack in `stack`, what is done with it in `deploying`.
"""
