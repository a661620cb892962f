"""
A stand-in for the SageMaker runtime API (the service `sagemaker-runtime`) in front of containers on this machine.

`app` translates HTTP, `invocation` asks the containers, `errors` has the service's words. The rest serves these three.
"""
