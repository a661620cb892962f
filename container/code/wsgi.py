"""The composition root: environment, logs, model, application. gunicorn imports it, before the fork; nothing else."""

import logging
import logging.config
import os
import sys
from functools import partial

from predictor import create_app
from serving import logs, memory, status
from serving.body_room import room_for_bodies
from serving.cgroups import available_cpus, available_memory
from serving.counts import OURS
from serving.errors import StartError
from serving.exposition import Exposition
from serving.hot_path import HotPath
from serving.loading import load_model
from serving.log_stream import STDERR
from serving.metric_table import ARBITER, Table
from serving.native_thread import apart
from serving.plan import make_plan
from serving.processes import load_per_worker
from serving.service import ModelService
from serving.settings import Settings
from serving.worker_table import WorkerTable

try:
    settings = Settings.from_environment(os.environ)
    logging.config.dictConfig(logs.configuration(settings.log_level))
    STDERR.never_wait()
    table = Table.open(settings.run_dir)
    OURS.become(table.slot(ARBITER))
    status.announce(settings.status_fd, status.LOADING)
    service = ModelService(settings, make_plan(settings, available_cpus(), available_memory()), load_model)
    if not service.prepare():
        os.execve(
            sys.executable,
            sys.orig_argv,
            {**os.environ, **load_per_worker(settings.model_bytes or service.model_bytes)},
        )
    metrics = Exposition(table, settings.run_dir, settings.model_dir, partial(apart, memory.held_by))
    app = create_app(service, settings.max_body_bytes, metrics)
    app.extensions["metric_table"] = table
    app.extensions["worker_table"] = WorkerTable(service.plan.workers, settings.quarantine)
    app.extensions["hot_path"] = HotPath(
        service, settings.max_body_bytes, room_for_bodies(service.plan.memory, service.plan.workers)
    )
except StartError as error:
    logging.getLogger(__name__).critical("cannot start: %s", error)
    sys.exit(1)
