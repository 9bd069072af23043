"""Accelerators of one machine: what there is, who gets which, and what a sandbox shows of them."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from modelyard.engines.base import NoSuchNodeError
from modelyard.engines.containers import planning as container_planning
from modelyard.engines.containers.sockets import Daemon
from modelyard.engines.local.accelerators import GpuPool, GpusBusyError
from modelyard.engines.local.engine import LocalEngine
from modelyard.engines.local.sandbox import planning
from modelyard.engines.machines import Gpu, GpusInvalidError, device_files, find_gpus, visible_gpus
from modelyard.errors import InvalidInputError
from modelyard.settings import Home
from modelyard.testing.engine import EngineCase
from modelyard.types.processes import ProcessSpec, Resources, SandboxLevel, Sidecar

DESCRIBED = """Model: \t\t NVIDIA A100-SXM4-40GB
IRQ:   \t\t 42
GPU UUID: \t GPU-{number}b
Device Minor: \t {minor}
"""
SHOW = "echo [$CUDA_VISIBLE_DEVICES]"


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    """A folder of device files, such as a driver makes."""
    folder = tmp_path / "dev"
    folder.mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null", "nvidia-caps"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    """What the driver says of two of them: in the order of the bus their files are the other way round."""
    for number, bus in enumerate(("0000:17:00.0", "0000:65:00.0")):
        folder = tmp_path / "gpus" / bus
        folder.mkdir(parents=True)
        (folder / "information").write_text(DESCRIBED.format(number=number, minor=1 - number))
    return tmp_path / "gpus"


def test_the_driver_tells_what_there_is_and_else_the_files(devices: Path, driver: Path, tmp_path: Path):
    first, second = find_gpus(devices=devices, driver=driver)
    assert first == Gpu(id="0", device=f"{devices}/nvidia1", uuid="GPU-0b", kind="NVIDIA A100-SXM4-40GB")
    assert second.device == f"{devices}/nvidia0"
    plain = find_gpus(devices=devices, driver=tmp_path / "none")
    assert [(gpu.id, gpu.device) for gpu in plain] == [("0", f"{devices}/nvidia0"), ("1", f"{devices}/nvidia1")]
    assert find_gpus("1", devices=devices, driver=driver) == [second]
    assert find_gpus("none", devices=devices, driver=driver) == []
    assert find_gpus("0,7", devices=devices, driver=driver) == [first, Gpu(id="7")], "7 is a logical one"
    assert find_gpus(devices=tmp_path / "none", driver=tmp_path / "none") == []


@pytest.mark.parametrize("said", ["all", "0,0", "0,", "-1"])
def test_what_is_no_list_of_numbers_is_refused(said: str):
    with pytest.raises(GpusInvalidError):
        find_gpus(said)


def test_a_process_is_shown_its_own_devices_and_those_of_the_driver_only(devices: Path, driver: Path):
    gpus = find_gpus("0", devices=devices, driver=driver)
    assert device_files(gpus, devices=devices) == [
        f"{devices}/{name}" for name in ("nvidia1", "nvidiactl", "nvidia-uvm")
    ]
    assert device_files([Gpu(id="0")], devices=devices) == []
    assert visible_gpus([*gpus, Gpu(id="3")]) == "GPU-0b,3"


@pytest.fixture
def spec(tmp_path: Path) -> ProcessSpec:
    return ProcessSpec(command=("true",), work_directory=str(tmp_path), resources=Resources(gpus=1))


def test_bubblewrap_binds_the_devices_before_it_closes_their_folder(spec: ProcessSpec, tmp_path: Path):
    gpu = Gpu(id="1", device="/dev/nvidia1", uuid="GPU-1b")
    plan = planning.make_plan(
        spec, folder=tmp_path, level=SandboxLevel.BUBBLEWRAP, cgroup="", marker=("M", "m"), gpus=[gpu]
    )
    words = plan["wrapper"]
    at = words.index("--dev-bind")
    assert words[at + 1 : at + 3] == ["/dev/nvidia1", "/dev/nvidia1"]
    assert words.index("--dev") < at < words.index("--remount-ro")
    assert plan["stage"]["environment"]["CUDA_VISIBLE_DEVICES"] == "GPU-1b"


def test_landlock_lets_the_devices_be_written_to(spec: ProcessSpec, tmp_path: Path):
    gpu = Gpu(id="1", device="/dev/nvidia1")
    plan = planning.make_plan(
        spec, folder=tmp_path, level=SandboxLevel.LANDLOCK, cgroup="", marker=("M", "m"), gpus=[gpu]
    )
    assert plan["stage"]["landlock"] is not None
    assert "/dev/nvidia1" in plan["stage"]["landlock"][1]


def test_the_container_that_asked_for_them_gets_the_devices(spec: ProcessSpec):
    daemon = Daemon(
        name="podman 4", url="", is_rootless=False, has_plain_groups=False, has_limits=True, architecture="amd64"
    )
    beside = replace(spec, resources=Resources(), sidecar=Sidecar(image="i", resources=Resources(gpus=1)))
    for each, given, other in ((spec, 0, None), (beside, 1, 0)):
        plan = container_planning.make_plan(
            "p", each, folder="/f", socket="s", daemon=daemon, images=["i", "j"], group="g",
            gpus=[Gpu(id="0", device="/dev/nvidia0")],
        )  # fmt: skip
        options = [container["options"] for container in plan["containers"]]
        assert options[given]["devices"] == ["/dev/nvidia0:/dev/nvidia0:rwm"]
        assert options[given]["environment"]["CUDA_VISIBLE_DEVICES"] == "0"
        assert other is None or "devices" not in options[other]


@pytest.fixture
def case(tmp_path: Path):
    gpus = [Gpu(id="0"), Gpu(id="1")]
    work = tmp_path / "work"
    work.mkdir()
    home = Home(tmp_path / "home")
    home.create()
    case = EngineCase(open=lambda: LocalEngine(home, gpus=gpus), kill_supervisor=lambda _: None, folder=work)
    yield case
    for state in case.engine.list():
        case.engine.remove(state.id)


def hold(case: EngineCase, gpus: float, **more) -> str:
    command = ("sh", "-c", f"{SHOW} > shown; exec sleep 600")
    spec = replace(case.spec(*command), resources=Resources(gpus=gpus), **more)
    return case.start(spec)


def lent(case: EngineCase, process_id: str) -> tuple[str, ...]:
    return case.engine._records.record(process_id).gpus  # type: ignore[attr-defined]


def test_each_goes_to_one_process_at_a_time_and_comes_back(case: EngineCase):
    first, second = hold(case, 1), hold(case, 1)
    assert {lent(case, first), lent(case, second)} == {("0",), ("1",)}
    assert case.run(replace(case.spec("sh", "-c", SHOW))).log_tail == "[]\n", "one that asked for none sees none"
    with pytest.raises(GpusBusyError, match="0 of 2"):
        case.open().submit("third", replace(case.spec("true"), resources=Resources(gpus=1)))
    case.engine.stop(first)
    case.end(first)
    end = case.run(replace(case.spec("sh", "-c", SHOW), resources=Resources(gpus=1)))
    assert end.log_tail == f"[{lent(case, first)[0]}]\n"


def test_parts_fill_one_before_they_break_another(case: EngineCase):
    parts = [hold(case, 0.5) for _ in range(3)]
    assert [lent(case, each) for each in parts[:2]] == [("0",), ("0",)]
    assert lent(case, parts[2]) == ("1",)
    with pytest.raises(GpusBusyError):
        hold(case, 1)
    case.end(case.start(replace(case.spec("true"), resources=Resources(gpus=0.5))))


def test_the_machine_tells_what_nobody_has_planned(case: EngineCase):
    hold(case, 1, node="local")
    hold(case, 0.5)
    (node,) = case.open().nodes()
    assert (node.name, node.gpus, node.in_use.gpus, node.in_use.cpus) == ("local", 2, 0.5, 0.0)


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"gpus": 3}, NoSuchNodeError, "3 GPUs, there are 2"),
        ({"gpus": 1.5}, InvalidInputError, "1.5 accelerators cannot be had"),
        ({"gpu_kind": "A100", "gpus": 1}, NoSuchNodeError, "GPUs of the kind 'A100'"),
        ({"node_labels": {"zone": "a"}}, NoSuchNodeError, "the label zone=a"),
    ],
)
def test_what_the_machine_does_not_have_is_refused(case: EngineCase, asked, error, words):
    with pytest.raises(error, match=words):
        case.start(replace(case.spec("true"), resources=Resources(**asked)))
    assert list(case.engine.list()) == []


def test_another_machine_is_refused(case: EngineCase):
    with pytest.raises(NoSuchNodeError, match="no machine 'cellar'"):
        case.start(replace(case.spec("true"), node="cellar"))


def test_a_device_is_there_for_the_process_that_has_it_alone(case: EngineCase, tmp_path: Path):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # a process has a /tmp of its own
        device = Path(folder, "nvidia0")
        device.write_text("a device")
        Path(folder).chmod(0o755)
        engine = LocalEngine(Home(tmp_path / "home"), gpus=[Gpu(id="0", device=str(device))])
        for name, gpus, code in (("with", 1, 0), ("without", 0, 1)):
            engine.submit(name, replace(case.spec("cat", str(device)), resources=Resources(gpus=gpus)))
            end = engine.wait(name, 60).end
            assert end is not None
            assert end.exit_code == code, end
            engine.remove(name)


def test_nothing_is_lent_if_the_process_was_not_started(tmp_path: Path):
    pool = GpuPool(Home(tmp_path), [Gpu(id="0")])
    spec = ProcessSpec(command=("true",), work_directory=str(tmp_path), resources=Resources(gpus=1))
    for _ in range(2):
        with pool.lend(spec) as gpus:
            assert [gpu.id for gpu in gpus] == ["0"]
    assert pool.node().in_use.gpus == 0.0
