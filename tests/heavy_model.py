"""A model folder whose model is as large as asked, all of it read by each prediction; and the memory of its server."""

from pathlib import Path

import joblib
import numpy as np
from sklearn.neighbors import KNeighborsRegressor

from server import HostServer, descendants

MEGABYTE = 1024 * 1024
FEATURES = 64
QUERY = str([[0.5] * FEATURES])


def write_heavy_model(folder: Path, megabytes: int, samples: bool = True) -> Path:
    """Write a model that compares each row with *megabytes* of others; with a sample of it, its memory is shared."""
    rows = megabytes * MEGABYTE // (FEATURES * np.dtype(float).itemsize)
    points = np.random.default_rng(0).random((rows, FEATURES))
    model = KNeighborsRegressor(n_neighbors=3, algorithm="brute").fit(points, np.arange(rows, dtype=float))
    folder.mkdir()
    joblib.dump(model, folder / "model.joblib")
    if samples:
        (folder / "samples").mkdir()
        (folder / "samples" / "one.json").write_text(QUERY)
    return folder


def proportional_bytes(pid: int) -> int:
    """Return the memory of a process, of shared pages its share (PSS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (kilobytes,) = [line.split()[1] for line in lines if line.startswith("Pss:")]
    return int(kilobytes) * 1024


def bytes_of(server: HostServer) -> int:
    """Return the memory of everything that the server consists of."""
    return sum(proportional_bytes(pid) for pid in (server.root_pid, *descendants(server.root_pid)))
