"""Accelerators of one machine: what there is, who gets which, and what a sandbox shows of them."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modelyard.engines import nvidia
from modelyard.engines.base import NoSuchNodeError
from modelyard.engines.containers import planning as container_planning
from modelyard.engines.containers.sockets import Daemon
from modelyard.engines.local import accelerators
from modelyard.engines.local.accelerators import GpuPool, GpusBusyError
from modelyard.engines.local.engine import LocalEngine
from modelyard.engines.local.sandbox import planning
from modelyard.engines.machines import Gpu, GpusInvalidError, device_files, find_gpus, this_machine, visible_gpus
from modelyard.engines.nvidia import Card
from modelyard.errors import InvalidInputError
from modelyard.settings import Home
from modelyard.testing.engine import EngineCase
from modelyard.types.compute.nodes import NodeWish
from modelyard.types.processes import ProcessSpec, Resources, SandboxLevel, Sidecar

DESCRIBED = """Model: \t\t NVIDIA A100-SXM4-40GB
IRQ:   \t\t 42
GPU UUID: \t GPU-{number}b
Device Minor: \t {minor}
"""
REPORT = """<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
  <gpu id="00000000:17:00.0">
    <product_name>NVIDIA H100 80GB HBM3</product_name><uuid>GPU-1c</uuid><minor_number>1</minor_number>
    <mig_mode><current_mig>Disabled</current_mig></mig_mode>
    <fb_memory_usage><total>81559 MiB</total></fb_memory_usage>
  </gpu>
  <gpu id="00000000:65:00.0">
    <product_name>NVIDIA H100 80GB HBM3</product_name><uuid>GPU-2c</uuid><minor_number>0</minor_number>
    <mig_mode><current_mig>Enabled</current_mig></mig_mode>
    <fb_memory_usage><total>81559 MiB</total></fb_memory_usage>
  </gpu>
</nvidia_smi_log>
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


def test_the_driver_s_own_program_tells_most_and_a_divided_card_is_not_handed_out(devices: Path, driver: Path):
    cards = nvidia.read_cards(REPORT)
    assert cards[0] == Card(
        minor=1, uuid="GPU-1c", kind="NVIDIA H100 80GB HBM3", memory_bytes=81559 << 20, is_divided=False
    )
    assert [card.is_divided for card in cards] == [False, True]
    (gpu,) = find_gpus(devices=devices, driver=driver, cards=cards)
    assert (gpu.id, gpu.device, gpu.uuid) == ("0", f"{devices}/nvidia1", "GPU-1c")
    assert this_machine([gpu]).traits.lacks(NodeWish(gpu_kind="h100", gpu_memory_bytes=80_000 << 20)) == ""
    assert nvidia.read_cards("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.") == ()


def test_what_the_driver_does_not_name_is_counted_anew_among_what_a_process_sees(devices: Path):
    (devices / "nvidia0").unlink()
    gpus = find_gpus(devices=devices, driver=devices, cards=())
    assert [gpu.id for gpu in gpus] == ["1"]
    assert visible_gpus(gpus) == "0"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A loader that knows a driver's libraries, before all others on the path."""
    folder, libraries = tmp_path / "bin", tmp_path / "lib"
    folder.mkdir()
    libraries.mkdir()
    (libraries / "libcuda.so.550").write_text("the driver")
    (libraries / "libcuda.so.1").symlink_to("libcuda.so.550")
    shown = f"""    libcuda.so.1 (libc6,x86-64) => {libraries}/libcuda.so.1
    libcuda.so.1 (libc6) => /lib32/libcuda.so.1
    libnvidia-gpucomp.so.550 (libc6,x86-64) => {libraries}/libcuda.so.550
    libc.so.6 (libc6,x86-64) => /lib/libc.so.6"""
    for name, output in (("ldconfig", shown), ("nvidia-smi", REPORT)):
        (folder / name).write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    forget = (nvidia._known_cards, nvidia.libraries, nvidia._cached)
    for each in forget:
        each.cache_clear()
    yield folder
    for each in forget:
        each.cache_clear()


def test_the_driver_s_programs_are_asked(programs: Path):
    assert [card.uuid for card in nvidia.cards()] == ["GPU-1c", "GPU-2c"]
    assert [*nvidia.libraries()] == ["libnvidia-gpucomp.so.550", "libcuda.so.1"]
    assert nvidia.library_path() == "", "the loader finds them"
    (programs / "ldconfig").write_text("#!/bin/sh\n")
    assert nvidia.program() == str(programs / "nvidia-smi")


def test_a_driver_that_comes_up_later_is_seen(programs: Path):
    program = programs / "nvidia-smi"
    working = program.read_text()
    program.write_text("#!/bin/sh\nexit 9\n")
    assert nvidia.cards() == ()
    program.write_text(working)
    assert len(nvidia.cards()) == 2


def test_a_machine_that_showed_no_accelerators_is_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found: list[Gpu] = []
    monkeypatch.setattr(accelerators, "find_gpus", lambda: [*found])
    home = Home(tmp_path / "home")
    pool, told = GpuPool(home, None), GpuPool(home, [])
    found.append(Gpu(id="0"))
    assert pool.machine.gpus == 0, "it was asked a moment ago"
    monkeypatch.setattr(accelerators, "_SECONDS_UNTIL_NEXT_LOOK", -1.0)
    assert pool.node().gpus == 1
    assert told.node().gpus == 0, "somebody has said that there is none"


def test_a_program_is_told_of_libraries_that_the_loader_does_not_find(
    programs: Path, spec: ProcessSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (programs / "ldconfig").write_text("#!/bin/sh\n")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path / "lib"))
    for gpus, said in (([Gpu(id="0", device="/dev/nvidia0")], str(tmp_path / "lib")), ([], None)):
        plan = planning.make_plan(
            spec, folder=tmp_path, level=SandboxLevel.BUBBLEWRAP, cgroup="", marker=("M", "m"), gpus=gpus
        )
        assert plan["stage"]["environment"].get("LD_LIBRARY_PATH") == said


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
        assert options[given]["environment"]["NVIDIA_VISIBLE_DEVICES"] == "0"
        assert other is None or "devices" not in options[other]
        assert other is None or options[other]["environment"]["NVIDIA_VISIBLE_DEVICES"] == "void"


def test_an_image_finds_the_libraries_of_the_machine_s_driver_where_images_look_for_them(
    programs: Path, spec: ProcessSpec, tmp_path: Path
):
    daemon = Daemon(
        name="podman 4", url="", is_rootless=False, has_plain_groups=False, has_limits=True, architecture="amd64"
    )
    gpus = [Gpu(id="0", device="/dev/nvidia0", uuid="GPU-1c")]
    for each, has_image in ((replace(spec, image="torch"), True), (spec, False)):
        plan = container_planning.make_plan(
            "p", each, folder="/f", socket="s", daemon=daemon, images=["i"], group="g", gpus=gpus,
            library_path="/opt/lib",
        )  # fmt: skip
        options = plan["containers"][0]["options"]
        mounts = {mount["Target"]: mount["Source"] for mount in options["mounts"]}
        assert ("/usr/local/nvidia/lib64/libcuda.so.1" in mounts) is has_image, "else it has the machine's own /usr"
        if has_image:
            assert mounts["/usr/local/nvidia/lib64/libcuda.so.1"] == f"{tmp_path}/lib/libcuda.so.550"
            assert mounts["/usr/local/nvidia/bin/nvidia-smi"] == f"{programs}/nvidia-smi"
            assert options["environment"]["LD_LIBRARY_PATH"] == "/usr/local/nvidia/lib64:/opt/lib"
            assert options["environment"]["NVIDIA_VISIBLE_DEVICES"] == "GPU-1c"


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
