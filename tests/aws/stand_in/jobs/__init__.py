"""Processing and training jobs: containers that run to their end, with SageMaker's folders.

- `api`: the operations, for the class that has moto's other ones
- `records`: what was asked for, and how it goes
- `work`: one job at work, whatever it is; `processing` and `training` are the two
- `files`: between S3 and the folders
- `refusals`: what SageMaker refuses at once
"""
