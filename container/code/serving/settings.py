"""Every environment variable that the server reads, read once, here, into one immutable object.

Names are SageMaker's own, or those of AWS's toolkits and samples; `SERVING_*` is ours. Where a variable has
several spellings the first one wins. `docs/settings.md` lists them; a test compares the two.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from serving import variables
from serving.errors import StartError
from serving.places import default_model_dir, existing_folder
from serving.variables import Variable, boolean, level, megabytes, one_of, port_number, read_variable, whole_number

MEGABYTE = 1024 * 1024
BODY_SLACK = 64 * 1024  # the platform's limits leave room for framing; a body of exactly the limit must pass


VARIABLES = {
    "model_dir": Variable(
        ("SM_MODEL_DIR",), Path, "`/opt/ml/model`, or the model baked into the image", "The model folder."
    ),
    "program": Variable(("SAGEMAKER_PROGRAM",), str, "`inference.py`", "The file with the hooks, inside `code/`."),
    "code_dir": Variable(
        ("SAGEMAKER_SUBMIT_DIRECTORY",),
        Path,
        "`code/` in the model folder",
        "Where the hooks are, if that folder exists here; an `s3://` address is ignored.",
    ),
    "port": Variable(("SAGEMAKER_BIND_TO_PORT",), port_number, "8080", "The port to listen on, in place of 8080."),
    "workers": Variable(
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "MODEL_SERVER_WORKERS"),
        whole_number(1),
        "one for each whole CPU that the container may use; fewer if the memory has no room for them",
        "How many worker processes serve the model.",
    ),
    "timeout": Variable(
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "MODEL_SERVER_TIMEOUT"),
        whole_number(2),
        "60; 600 in batch transform",
        "Seconds in which a request is answered, with 504 if need be.",
    ),
    "startup_timeout": Variable(
        ("SAGEMAKER_STARTUP_TIMEOUT",),
        whole_number(1),
        "3600, the longest that SageMaker grants",
        "Seconds after which a start that is not ready is given up.",
    ),
    "max_payload_mb": Variable(
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB",),
        whole_number(0),
        "25; 100 in batch transform",
        "The largest request body, in MB; 0 is no limit.",
    ),
    "batch": Variable(("SAGEMAKER_BATCH",), boolean, "false", "Set by the platform in a batch transform job."),
    "default_accept": Variable(
        ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT",),
        str,
        "the manifest's `output.accept`, or `application/json`",
        "The answer's media type when the caller accepts anything.",
    ),
    "log_level": Variable(
        ("SAGEMAKER_CONTAINER_LOG_LEVEL",), level, "20", "The least level that is logged (20 = INFO)."
    ),
    "multi_model": Variable(
        ("SAGEMAKER_MULTI_MODEL",),
        boolean,
        "false",
        "Set by the platform for multi-model endpoints, which this server refuses to be part of.",
    ),
    "canary_timeout": Variable(
        ("SERVING_CANARY_TIMEOUT",),
        whole_number(1),
        "30",
        "Seconds that a forked copy of the model has for its samples before it counts as hung.",
    ),
    "load_per": Variable(
        ("SERVING_LOAD_PER",),
        one_of("container", "worker"),
        "container, where a forked copy is proved to answer the samples",
        "Where the model is loaded: once, before the fork, or by each worker.",
    ),
    "batch_rows": Variable(
        ("SERVING_BATCH_ROWS",),
        whole_number(0),
        "1024",
        "The most rows that the model is given at once, of several requests; 1 or 0 answers each by itself.",
    ),
    "max_wait": Variable(
        ("SERVING_MAX_WAIT",),
        whole_number(1),
        "0.75, or six calls of the model where that is longer; in batch transform as long as a request has",
        "Seconds that a request may wait for the model; one that would wait longer is refused at once, with 503.",
    ),
    "memory": Variable(
        ("SERVING_MEMORY_MB",),
        megabytes,
        "the container's limit, or the machine's memory",
        "The memory that the server may use, in MB, in place of what it finds.",
    ),
    "model_bytes": Variable(
        ("SERVING_MODEL_MB",),
        megabytes,
        "what was measured",
        "With `SERVING_LOAD_PER=worker`: the memory of each worker's copy of the model, in MB.",
    ),
    "user": Variable(
        ("SERVING_USER",),
        str,
        "`serving`, whom the image has, or `nobody`",
        "Who runs nginx and the model where root starts the server: a name, `UID` or `UID:GID`; `root` stays root.",
    ),
    "emf": Variable(
        ("SERVING_EMF",), variables.metric_namespace, "none", "CloudWatch's namespace for metrics on stdout."
    ),
    "quarantine": Variable(
        ("SERVING_QUARANTINE",), whole_number(0), "300", "Seconds for which an input that killed two workers gets 422."
    ),
    "run_dir": Variable(
        ("SERVING_RUN_DIR",),
        Path,
        "a new folder under `TMPDIR`",
        "The one folder that is written to. Set by `serve` for its children.",
    ),
    "status_fd": Variable(
        ("SERVING_STATUS_FD",),
        whole_number(0),
        "none",
        "The pipe on which gunicorn tells `serve` what its workers do. Set by `serve` for its children.",
    ),
}


@dataclass(frozen=True)
class Settings:
    """The environment, read and checked. Durations in seconds, sizes in bytes."""

    model_dir: Path
    program: str
    code_dir: Path
    port: int
    workers: int | None
    timeout: int
    startup_timeout: int
    max_body_bytes: int | None
    default_accept: str | None
    log_level: int
    canary_timeout: int
    batch_rows: int
    max_wait: int | None
    load_per: str | None
    memory: int | None
    model_bytes: int | None
    user: str | None
    emf: str | None
    quarantine: int
    run_dir: Path | None
    status_fd: int | None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Read *environ*; raise `StartError` naming the first variable that makes no sense."""
        values = {key: read_variable(variable, environ) for key, variable in VARIABLES.items()}
        refuse_multi_model(values.pop("multi_model"))
        batch = bool(values.pop("batch"))
        model_dir = (values.pop("model_dir") or default_model_dir()).absolute()
        return cls(
            model_dir=model_dir,
            program=values.pop("program") or "inference.py",
            code_dir=(existing_folder(values.pop("code_dir")) or model_dir / "code").absolute(),
            port=values.pop("port") or 8080,
            timeout=(timeout := values.pop("timeout") or (600 if batch else 60)),
            max_wait=values.pop("max_wait") or (timeout if batch else None),
            startup_timeout=values.pop("startup_timeout") or 3600,
            max_body_bytes=body_limit(values.pop("max_payload_mb"), batch),
            log_level=logging.INFO if (least := values.pop("log_level")) is None else least,
            canary_timeout=values.pop("canary_timeout") or 30,
            quarantine=300 if (seconds := values.pop("quarantine")) is None else seconds,
            batch_rows=1024 if (most := values.pop("batch_rows")) is None else most,
            **values,
        )


def refuse_multi_model(multi_model: bool | None) -> None:
    """Refuse to be one of many: the image does not carry the multi-models label either."""
    if multi_model:
        raise StartError(
            "SAGEMAKER_MULTI_MODEL is true, but this server serves one model and has no /models routes. "
            "Give each model its own endpoint or its own container in a pipeline."
        )


def body_limit(megabytes: int | None, batch: bool) -> int | None:
    """Return the largest body in bytes, None for no limit."""
    if megabytes is None:
        megabytes = 100 if batch else 25
    return megabytes * MEGABYTE + BODY_SLACK if megabytes else None
