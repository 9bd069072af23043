"""What the members of a gang of containers are planned to be, and what becomes of their output."""

from pathlib import Path

import pytest

from modelyard.control.jobs.gangs.images import image_members
from modelyard.engines.containers.planning import make_plan
from modelyard.engines.containers.shim.tagged import TaggedOutput
from modelyard.engines.containers.sockets import Daemon
from modelyard.engines.machines import Gpu
from modelyard.types.processes import Mount, ProcessSpec, Resources

DAEMON = Daemon(
    name="podman 4", url="", is_rootless=False, has_plain_groups=False, has_limits=True, architecture="amd64"
)


def plan(tmp_path: Path, gpus: int, held: list[Gpu]):
    own = Mount(path="/host/own", target="/opt/own")
    spec = ProcessSpec(
        command=("train",),
        image="trainer",
        work_directory=str(tmp_path),
        mounts=(Mount(path="/host/all", target="/opt/own"), Mount(path="/host/all", target="/opt/all")),
        resources=Resources(cpus=3, memory_bytes=2 << 30, gpus=gpus),
        members=image_members(2, lambda rank: (own,) if rank else ()),
    )
    return make_plan(
        "p", spec, folder="/f", socket="s", daemon=DAEMON, images=["image", "empty"], group="g", gpus=held
    )  # fmt: skip


def test_each_member_has_its_part_and_all_are_in_the_network_of_a_holder_that_has_none(tmp_path: Path):
    planned = plan(tmp_path, 2, [Gpu(id="0", device="/dev/nvidia0"), Gpu(id="1", device="/dev/nvidia1")])
    assert planned["holder"] is not None
    assert planned["holder"]["options"]["network_mode"] == "none"
    assert planned["holder"]["image"] == "empty"
    members = [each["options"] for each in planned["containers"]]
    assert [each["network_mode"] for each in members] == ["container:g.network"] * 2
    assert [each["nano_cpus"] for each in members] == [1_500_000_000] * 2
    assert [each["mem_limit"] for each in members] == [1 << 30] * 2
    assert [each["devices"] for each in members] == [[f"/dev/nvidia{n}:/dev/nvidia{n}:rwm"] for n in (0, 1)]
    assert [each["environment"]["RANK"] for each in members] == ["0", "1"]
    assert [each["environment"]["MODELYARD_ADDRESS"] for each in members] == ["127.0.0.1", "127.0.0.2"]
    seen = [{mount["Target"]: mount["Source"] for mount in each["mounts"]} for each in members]
    assert [each["/opt/own"] for each in seen] == ["/host/all", "/host/own"]
    assert [each["/opt/all"] for each in seen] == ["/host/all", "/host/all"]


def test_members_share_an_accelerator_that_they_have_parts_of(tmp_path: Path):
    planned = plan(tmp_path, 1, [Gpu(id="0", device="/dev/nvidia0")])
    assert [each["options"]["devices"] for each in planned["containers"]] == [["/dev/nvidia0:/dev/nvidia0:rwm"]] * 2


@pytest.mark.parametrize(("rank", "metric"), [(0, b'metric {"a": 1}\n'), (1, b'[1] metric {"a": 1}\n')])
def test_lines_carry_the_rank_and_metrics_of_the_first_are_those_of_the_job(rank: int, metric: bytes):
    said: list[bytes] = []
    output = TaggedOutput(rank, said.append)
    for piece in (b"one\ntw", b"o\n", b'metric {"a": 1}\nres', b"t"):
        output(piece)
    assert said == [b"[%d] one\n" % rank, b"[%d] two\n" % rank, metric]
    output.close()
    assert said[-1] == b"[%d] rest\n" % rank
