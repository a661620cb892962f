"""`train`: runs a model folder's `code/train.py` as SageMaker runs training, and leaves a folder that can be served.

- `launch`: the order of the steps; what went wrong becomes an exit status and the file `failure`
- `folders`: where SageMaker puts what, under one root
- `job`: what the platform's files say of the job
- `script`: which program trains
- `variables`: the `SM_*` variables and arguments that it is given
- `running`: the program as a child, its end, and SIGTERM
- `completing`: code, manifest and the proof that the model can be served
- `errors`: what a person reads
"""
