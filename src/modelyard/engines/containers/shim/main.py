"""Start of a container's supervisor, a program of its own that outlives the control plane."""

from modelyard.engines.containers.plan import Plan
from modelyard.engines.local.shim.main import launch


def main() -> None:
    """Argument: the new folder."""
    launch(_supervise)


def _supervise(plan: Plan) -> None:
    from modelyard.engines.containers.shim.supervisor import Supervisor  # noqa: PLC0415 - the caller need not wait

    Supervisor(plan).run()
