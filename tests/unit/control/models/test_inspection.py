"""The sandboxed inspection, with an engine that ends processes as a test says."""

from pathlib import Path

import msgspec
import pytest

from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.models import inspection
from modelyard.control.models.bundles import bundle_files
from modelyard.control.models.errors import (
    BundleInvalidError,
    InspectionFailedError,
    InspectionsBusyError,
    InspectionUnavailableError,
)
from modelyard.control.models.inspection import ArtifactInspector
from modelyard.errors import TooLargeError
from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.sniff import PickleRefusedError
from modelyard.types.processes import EndCause, ProcessEnd, ProcessState, ProcessStatus


class ScriptedEngine:
    """Every process writes what `write` says into its output folder, and ends with `end`."""

    def __init__(self, end: ProcessEnd | None, write=lambda _output: None) -> None:
        self.end = end
        self.write = write
        self.processes: dict[str, object] = {}

    def submit(self, process_id, spec):
        self.processes[process_id] = spec
        self.write(Path(spec.work_directory) / "bundle")

    def wait(self, process_id, _timeout):
        status = ProcessStatus.RUNNING if self.end is None else ProcessStatus.ENDED
        return ProcessState(id=process_id, status=status, end=self.end)

    def list(self, labels):
        return [ProcessState(id=i, status=ProcessStatus.ENDED, labels=labels) for i in self.processes]

    def remove(self, process_id):
        self.processes.pop(process_id, None)


def ended(cause: EndCause = EndCause.EXIT, code: int | None = 0) -> ProcessEnd:
    return ProcessEnd(cause=cause, exit_code=code, message=f"it ended: {cause}")


def report(**fields: str):
    return lambda output: (output / "error.json").write_bytes(msgspec.json.encode(fields))


def inspector_of(engine: ScriptedEngine, folder: Path) -> ArtifactInspector:
    return ArtifactInspector(engine, folder / "work", EnvironmentBuilder(engine, folder / "environments"))


@pytest.fixture
def artifact(tmp_path) -> Path:
    path = tmp_path / "artifact"
    path.write_bytes(b"tree\n")
    return path


def inspect(tmp_path: Path, artifact: Path, engine: ScriptedEngine) -> dict[str, Path]:
    with inspector_of(engine, tmp_path).inspected(artifact, "--name=x") as folder:
        (spec,) = engine.processes.values()
        assert spec.has_network is False
        assert None not in (spec.resources.memory_bytes, spec.resources.time_limit_seconds)
        assert [mount.is_writable for mount in spec.mounts] == [False]
        return bundle_files(folder)


@pytest.mark.parametrize(
    ("end", "write", "error"),
    [
        (ended(code=1), report(code="pickle_refused", message="m", hint="h"), PickleRefusedError),
        (ended(code=1), report(code="artifact_invalid", message="m", hint="h"), ArtifactInvalidError),
        (ended(code=1), report(code="too_large", message="m", hint="h"), TooLargeError),
        (ended(code=1), report(code="internal", message="m", hint="h"), InspectionFailedError),
        (ended(code=1), lambda output: (output / "error.json").write_bytes(b"\xff"), InspectionFailedError),
        (ended(code=1), lambda output: (output / "error.json").symlink_to("/etc/passwd"), InspectionFailedError),
        (ended(code=1), lambda _output: None, InspectionFailedError),
        (ended(EndCause.OUT_OF_MEMORY, None), lambda _output: None, InspectionFailedError),
        (ended(EndCause.TIMEOUT, None), lambda _output: None, InspectionFailedError),
        (ended(EndCause.SIGNAL, None), report(code="pickle_refused", message="m"), InspectionFailedError),
        (ended(EndCause.LOST, None), lambda _output: None, InspectionUnavailableError),
        (ended(EndCause.START_FAILED, None), lambda _output: None, InspectionUnavailableError),
        (None, lambda _output: None, InspectionUnavailableError),
        (ended(), lambda output: (output / "model.onnx").symlink_to("/etc/passwd"), BundleInvalidError),
        (ended(), lambda output: (output / "folder").symlink_to("/etc"), BundleInvalidError),
    ],
)
def test_however_an_inspection_ends_the_error_says_so_and_nothing_is_left(tmp_path, artifact, end, write, error):
    engine = ScriptedEngine(end, write)
    with pytest.raises(error) as caught:
        inspect(tmp_path, artifact, engine)
    assert type(caught.value) is error
    assert engine.processes == {}
    assert list((tmp_path / "work").iterdir()) == []


def test_a_bundle_is_there_inside_the_block_only(tmp_path, artifact):
    engine = ScriptedEngine(ended(), lambda output: (output / "model.onnx").write_bytes(b"x"))
    files = inspect(tmp_path, artifact, engine)
    assert list(files) == ["model.onnx"]
    assert not files["model.onnx"].exists()


def test_no_more_than_two_inspections_run_at_a_time(tmp_path, artifact, monkeypatch):
    monkeypatch.setattr(inspection, "_PATIENCE_SECONDS", 0.01)
    inspector = inspector_of(ScriptedEngine(ended()), tmp_path)
    third = inspector.inspected(artifact, "c")
    with inspector.inspected(artifact, "a"), inspector.inspected(artifact, "b"), pytest.raises(InspectionsBusyError):
        third.__enter__()
    with inspector.inspected(artifact, "c"):
        assert True


def test_what_a_killed_process_left_is_discarded_at_the_start(tmp_path):
    engine = ScriptedEngine(ended())
    engine.processes = {"inspection-old": object()}
    (tmp_path / "work" / "inspection-old").mkdir(parents=True)
    inspector_of(engine, tmp_path).discard_leftovers()
    assert engine.processes == {}
    assert not (tmp_path / "work").exists()


def test_a_program_is_tried_with_the_accelerators_that_it_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inspection, "check_fence", lambda _engine: None)
    files = {"model.py": tmp_path / "model.py", "resources.json": tmp_path / "resources.json"}
    files["model.py"].write_text("")
    files["resources.json"].write_text('{"gpus": 0.5}')
    engine = ScriptedEngine(ended())
    with inspector_of(engine, tmp_path).inspected_program(files):
        (spec,) = engine.processes.values()
        assert spec.resources.gpus == 0.5
