"""Put images and models on SageMaker, as the files in `deploy/stages` say: `python -m deploy --help`.

- `stage/`: a stage's file, read, checked, and written anew; imports nothing below but `errors` and `facts`;
- `model/`: images in ECR, model archives in S3;
- `stack/`: a stage as a CloudFormation stack: planned, applied, looked at, removed;
- `call/`: a request to its endpoint, a transform job;
- `job/`: processing and training jobs, as the files in `deploy/jobs` say;
- `api/`: an endpoint on the web, as the files in `deploy/apis` say;
- `marketplace/`: a model as a product of AWS Marketplace;
- `verbs`: what the command line's verbs do; `gathering`: what has to be known of AWS before; `aws`: the only place
  where boto3's session is made.

`push/` is the shell that `build_and_push.sh` sources, `kinds/` has the skeletons of new stages.
"""
