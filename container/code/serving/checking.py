"""`serve --check`: whether nginx, gunicorn's worker and the model would work here, without serving."""

import logging
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from serving import privileges
from serving.errors import StartError
from serving.nginx import write_configuration
from serving.places import MOUNTED_MODEL
from serving.processes import PROGRAM_DIR, nginx_command
from serving.settings import Settings
from serving.user_trial import user_for

log = logging.getLogger(__name__)


def check_as_user(settings: Settings, run_dir: Path, environ: Mapping[str, str]) -> int:
    """Check as the user who would run the model, in a process of its own if need be."""
    user = user_for(settings, run_dir)
    if user is None:
        return check(settings, run_dir)
    command = [sys.executable, str(PROGRAM_DIR / "serve"), "--check"]
    privileges.hand_over(run_dir, user)
    environ = {**privileges.environment_for(user, environ, run_dir), "TMPDIR": str(run_dir)}
    return subprocess.run(command, env=environ, check=False, **user.popen_options).returncode


def check(settings: Settings, run_dir: Path) -> int:
    """Test nginx, gunicorn's worker and, where there is a model, the model's answers to its samples."""
    import serving.worker  # noqa: F401 - a package that is missing shows here, not in the first worker

    configuration = write_configuration(settings, 1, run_dir)
    command = [*nginx_command(configuration, as_root=privileges.are_roots(None)), "-t"]
    tested = subprocess.run(command, capture_output=True, text=True, check=False)
    if tested.returncode:
        raise StartError(f"nginx refuses its configuration: {tested.stderr.strip()}")
    if settings.model_dir == MOUNTED_MODEL and not settings.model_dir.exists():
        log.info("checked; there is no model folder yet", extra={"looked_for": str(settings.model_dir)})
        return 0
    from serving.loading import load_model
    from serving.samples import find_samples, replay

    samples = find_samples(settings.model_dir)
    replay(load_model(settings), samples)
    log.info("checked; the model answers its samples", extra={"samples": len(samples)})
    return 0
