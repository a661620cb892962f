"""A job's file in `deploy/jobs`, and the processing and training jobs that SageMaker runs for it.

What the file can say is in `kinds`, how it is read in `files`, what is impossible in `rules`; `new` writes one.
`places` and `sending` are about S3, `role` about what the jobs may do, `requests` is what SageMaker is asked for, and
`running` watches a job to its end. `verbs` puts them together.
"""
