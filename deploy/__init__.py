"""Put an image and a model on SageMaker, as a stage's file says: `python -m deploy --help`."""
