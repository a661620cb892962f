"""Starting: what SageMaker runs, and what it may take away."""

from contract.clauses import PROFILES, clause
from contract.running import NotHealthy


@clause(
    "1.01",
    "start with `docker run IMAGE serve`, and become healthy",
    "Put an executable called `serve` on PATH, or an entry point that takes that argument; read the log.",
    required=PROFILES,
)
def test_serve_starts_a_healthy_server(shared, saw):
    """Runs the target with the one argument `serve` and asks /ping until it is 200."""
    try:
        shared.server()
    except NotHealthy as reason:
        saw(str(reason))
        raise
    saw(f"healthy after {shared.seconds_to_healthy:.1f} s")
