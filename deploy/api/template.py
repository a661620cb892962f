"""An API as a CloudFormation template: concrete, and whole, for the function's code is in it."""

from pathlib import Path
from typing import Any

from deploy.api.settings import LAMBDA_SECONDS, ROUTE, Api
from deploy.facts import Account
from deploy.stack.resources import Resource, Resources, attribute, ref, resource
from deploy.stack.tags import as_list, tags_of
from deploy.stack.template import Template
from deploy.stage.kinds import Stage

CODE = Path(__file__).with_name("handler.py")
RUNTIME = "python3.13"
BY_REQUESTS, BY_SIZE, FREE = "billed by requests and their duration", "billed by size and month", "free of charge"
COST = "Lambda and the HTTP API are billed by requests, their logs by size"
# A line of JSON for each request, also for those that never reach the function; nobody's address is in it.
ACCESS = {
    "request_id": "$context.requestId",
    "route": "$context.routeKey",
    "status": "$context.status",
    "ms": "$context.responseLatency",
    "bytes": "$context.responseLength",
    "error": "$context.error.message",
    "integration_error": "$context.integrationErrorMessage",
}


def render(stage: Stage, api: Api, account: Account) -> Template:
    """Return the template: the same stage and settings give the same."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{ROUTE} of {stage.name}: {COST}",
        "Resources": {**_function(stage, api, account), **_http(stage, api, account)},
        "Outputs": {
            "ApiEndpoint": {"Value": attribute("Api", "ApiEndpoint")},
            "FunctionLogs": {"Value": ref("FunctionLogs")},
        },
    }


def tags(stage: Stage) -> dict[str, str]:
    """Return the tags of everything in the stack."""
    return {**tags_of(stage), "kind": "api"}


def _tagged(stage: Stage, cost: str) -> list[dict[str, str]]:
    return as_list({**tags(stage), "cost-note": cost})


def _function(stage: Stage, api: Api, account: Account) -> Resources:
    return {
        "FunctionLogs": _logs(stage, api),
        "Role": resource(
            "IAM::Role",
            Path=f"/byoc/{stage.name}/",
            Description=f"What the API of {stage.name} may do",
            AssumeRolePolicyDocument=_document(_allow("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"})),
            Policies=[{"PolicyName": "api", "PolicyDocument": permissions(stage, account)}],
            Tags=_tagged(stage, FREE),
        ),
        "Function": resource(
            "Lambda::Function",
            Description=f"{ROUTE}: hands texts on to the endpoint {stage.name}",
            Runtime=RUNTIME,
            Architectures=["arm64"],
            Handler="index.handler",  # what CloudFormation calls code that is in the template
            Code={"ZipFile": CODE.read_text(encoding="utf-8")},
            Role=attribute("Role", "Arn"),
            MemorySize=api.memory_mb,
            Timeout=LAMBDA_SECONDS,
            ReservedConcurrentExecutions=api.concurrency,
            Environment={"Variables": api.environment(stage.name)},
            LoggingConfig={"LogGroup": ref("FunctionLogs"), "LogFormat": "JSON", "SystemLogLevel": "WARN"},
            Tags=_tagged(stage, BY_REQUESTS),
        ),
    }


def permissions(stage: Stage, account: Account) -> dict[str, Any]:
    """Return what the function may do: call one endpoint, and write its own log."""
    # SageMaker writes names in small letters where it makes an ARN of them.
    names = sorted({stage.name, stage.name.lower()})
    endpoints = [f"arn:{account.partition}:sagemaker:{account.region}:{account.number}:endpoint/{one}" for one in names]
    return _document(
        _allow("sagemaker:InvokeEndpoint", Resource=endpoints),
        _allow("logs:CreateLogStream", "logs:PutLogEvents", Resource=[attribute("FunctionLogs", "Arn")]),
    )


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(*actions: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), **more}


def _logs(stage: Stage, api: Api) -> Resource:
    return resource("Logs::LogGroup", RetentionInDays=api.keep_logs_days, Tags=_tagged(stage, BY_SIZE))


def _http(stage: Stage, api: Api, account: Account) -> Resources:
    calls = f"arn:{account.partition}:execute-api:{account.region}:{account.number}:${{Api}}/*/{ROUTE.replace(' ', '')}"
    return {
        "AccessLogs": _logs(stage, api),
        "Api": resource(
            "ApiGatewayV2::Api",
            Name=f"{stage.name}-api",
            ProtocolType="HTTP",
            CorsConfiguration=cors(api),
            Tags={**tags(stage), "cost-note": BY_REQUESTS},
        ),
        "Integration": resource(
            "ApiGatewayV2::Integration",
            ApiId=ref("Api"),
            IntegrationType="AWS_PROXY",
            IntegrationUri=attribute("Function", "Arn"),
            PayloadFormatVersion="2.0",
            TimeoutInMillis=30_000,
        ),
        "Route": resource(
            "ApiGatewayV2::Route", ApiId=ref("Api"), RouteKey=ROUTE, Target=_substituted("integrations/${Integration}")
        ),
        "Stage": _stage(stage, api, account),
        "Permission": resource(
            "Lambda::Permission",
            FunctionName=ref("Function"),
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=_substituted(calls),
        ),
    }


def cors(api: Api) -> dict[str, Any]:
    """Return which page may call the API, and what it may send and see."""
    return {
        "AllowOrigins": [api.origin],
        "AllowMethods": ["POST"],
        "AllowHeaders": ["content-type"],
        "ExposeHeaders": ["retry-after"],
        "MaxAge": 3600,
    }


def _stage(stage: Stage, api: Api, account: Account) -> Resource:
    group = f"arn:{account.partition}:logs:{account.region}:{account.number}:log-group:${{AccessLogs}}"
    line = ",".join(f'"{name}":"{variable}"' for name, variable in ACCESS.items())
    return resource(
        "ApiGatewayV2::Stage",
        ApiId=ref("Api"),
        StageName="$default",
        AutoDeploy=True,
        DefaultRouteSettings={"ThrottlingRateLimit": api.requests_per_second, "ThrottlingBurstLimit": api.burst},
        AccessLogSettings={"DestinationArn": _substituted(group), "Format": f"{{{line}}}"},
        Tags={**tags(stage), "cost-note": BY_REQUESTS},
    )


def _substituted(text: str) -> dict[str, str]:
    return {"Fn::Sub": text}
