"""The composition root: environment, logs, model, application. gunicorn imports it, before the fork; nothing else."""

import logging
import logging.config
import os
import sys

from predictor import create_app
from serving import logs, status
from serving.cgroups import available_cpus, available_memory
from serving.errors import StartError
from serving.hot_path import HotPath
from serving.loading import load_model
from serving.plan import make_plan
from serving.processes import load_per_worker
from serving.service import ModelService
from serving.settings import Settings

try:
    settings = Settings.from_environment(os.environ)
    logging.config.dictConfig(logs.configuration(settings.log_level))
    status.announce(settings.status_fd, status.LOADING)
    service = ModelService(settings, make_plan(settings, available_cpus(), available_memory()), load_model)
    if not service.prepare():
        os.execve(
            sys.executable,
            sys.orig_argv,
            {**os.environ, **load_per_worker(settings.model_bytes or service.model_bytes)},
        )
    app = create_app(service, max_body_bytes=settings.max_body_bytes)
    app.extensions["hot_path"] = HotPath(service, settings.max_body_bytes)
except StartError as error:
    logging.getLogger(__name__).critical("cannot start: %s", error)
    sys.exit(1)
