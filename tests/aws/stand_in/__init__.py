"""
A stand-in for AWS: moto's server with its gaps closed, and real containers behind its SageMaker.

`server` starts it. `cloudformation` executes templates, `sagemaker` is the API of models and endpoints, `hosting` runs
their containers, `transform` its batch jobs, `packages` validates what is to be sold. What AWS has and nobody here
needs is refused, never passed over.
"""
