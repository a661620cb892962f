"""The CreateModelPackage request of the guide that this replaces, as its two helper classes make it, faults and all."""

from typing import Any

ACCOUNT = "123456789012"
IMAGE = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/marketplace-model-container:latest"
BUCKET = "s3://vnlp-sentiment-marketplace/"
INSTANCE = "ml.c4.2xlarge"


def request() -> dict[str, Any]:
    return {
        "ModelPackageName": "vnlp-sentiment-validated-1660000000",
        "ModelPackageDescription": "Turkish sentiment analysis",
        "CertifyForMarketplace": True,
        "InferenceSpecification": {
            "Containers": [{"Image": IMAGE}],
            "SupportedTransformInstanceTypes": [INSTANCE],
            "SupportedRealtimeInferenceInstanceTypes": [INSTANCE],
            "SupportedContentTypes": ["application/json", "application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        "ValidationSpecification": {
            "ValidationRole": f"arn:aws:iam::{ACCOUNT}:role/SageMaker-marketplace",
            "ValidationProfiles": [{"ProfileName": "ValidationProfile1", "TransformJobDefinition": job()}],
        },
    }


def job() -> dict[str, Any]:
    return {
        "MaxConcurrentTransforms": 1,
        "MaxPayloadInMB": 6,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"{BUCKET}batch-input/input.json"}},
            "ContentType": "application/json",
            "CompressionType": "None",
        },
        "TransformOutput": {"S3OutputPath": f"{BUCKET}/batch-transform-output", "KmsKeyId": ""},
        "TransformResources": {"InstanceType": INSTANCE, "InstanceCount": 1},
    }


NOTEBOOK = (
    """
from sagemaker import ModelPackage, get_execution_role
from sagemaker.serializers import JSONSerializer
""",
    """
model = ModelPackage(role=role, model_package_arn=model_package_arn, sagemaker_session=session)
model.deploy(1, "ml.c4.2xlarge", endpoint_name="vnlp-sentiment-analyses-endpoint")
""",
    """
response = runtime.invoke_endpoint(EndpointName="vnlp-sentiment-analyses-endpoint", Body=body)
print(response["Body"].read().decode())
""",
    r"sagemaker.create_model_package(\*\*arguments)",
)
