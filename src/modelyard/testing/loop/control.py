"""The control process of the loop's platform: the real one, on an engine that lets training jobs be sabotaged.

While the file `sabotage` in the state directory names a kind, each training job runs as that kind of
`modelyard.testing.loop.saboteur` in its sandbox; everything else runs as ever, and nothing else knows of it.
"""

from dataclasses import replace
from pathlib import Path

from modelyard.algorithms.jobfile import JOB_FILE, JobFile
from modelyard.algorithms.run import EVALUATION, REPLAY
from modelyard.engines.local.engine import LocalEngine
from modelyard.server import control
from modelyard.settings import Home
from modelyard.testing.loop.sabotage import ORDER
from modelyard.types.processes import ProcessSpec

_RUNNER, _SABOTEUR = "modelyard.algorithms.run", "modelyard.testing.loop.saboteur"


class SabotagingEngine(LocalEngine):
    """A LocalEngine that runs the saboteur in place of the job runner, if it is told to."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self._order = home.root / ORDER

    def submit(self, process_id: str, spec: ProcessSpec) -> None:
        """See Engine.submit."""
        kind = self._order.read_text() if self._order.exists() else ""
        super().submit(process_id, _sabotaged(spec, kind) if kind else spec)


def _sabotaged(spec: ProcessSpec, kind: str) -> ProcessSpec:
    if _RUNNER not in spec.command:
        return spec
    job = JobFile.read(Path(spec.work_directory, JOB_FILE))
    if job.recipe.algorithm in (EVALUATION, REPLAY):
        return spec
    command = [_SABOTEUR if word == _RUNNER else word for word in spec.command]
    return replace(spec, command=(*command, "--kind", kind))


if __name__ == "__main__":
    control.main(lambda settings: SabotagingEngine(settings.layout))
