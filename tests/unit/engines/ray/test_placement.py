"""What the engine asks Ray for, and how it names nodes, by lists as Ray gives them: Ray itself is not needed."""

from types import SimpleNamespace

import pytest

from modelyard.engines.base import NoSuchNodeError
from modelyard.engines.ray import placement, traits
from modelyard.types.compute.nodes import NodeTraits, NodeUse
from modelyard.types.processes import NodeChoice, ProcessSpec, Resources

RAY = SimpleNamespace(
    util=SimpleNamespace(
        scheduling_strategies=SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: (node, soft))
    )
)
A100 = NodeTraits(labels={"zone": "a"}, gpu_kind="NVIDIA A100-SXM4-40GB", gpu_memory_bytes=40 << 30)


def node(name: str, *, gpus: int = 0, is_alive: bool = True, labels=None, number: str = "1") -> dict:
    return {
        "NodeID": f"{number}{name}" * 4,
        "NodeName": name,
        "NodeManagerAddress": "10.0.0.1",
        "Alive": is_alive,
        "Resources": {"CPU": 8.0, "memory": float(16 << 30), "GPU": float(gpus)},
        "Labels": {"ray.io/node-id": "x", **(labels or {})},
    }


NODES = [node("plain"), node("fast", gpus=2, labels=traits.as_labels(A100))]


def spec(node: str = "", memory: int | None = None, **resources) -> ProcessSpec:
    return ProcessSpec(
        command=("true",),
        work_directory="/tmp",
        resources=Resources(**resources),
        node=node,
        node_memory_bytes=memory,
    )


def test_traits_are_kept_in_labels():
    assert traits.as_labels(A100) == {
        "zone": "a",
        "modelyard.io/gpu-kind": "NVIDIA-A100-SXM4-40GB",
        "modelyard.io/gpu-memory-mib": "40960",
    }
    found = traits.of(NODES[1])
    assert (dict(found.labels), found.gpu_memory_bytes) == ({"zone": "a"}, 40 << 30)
    assert traits.of(node("x", labels={"ray.io/accelerator-type": "T4"})).gpu_kind == "T4"


def test_living_nodes_have_names_of_their_own():
    nodes = [node("a", number="2"), node("a", number="1"), node("b", is_alive=False)]
    assert list(traits.names(nodes)) == ["a", "a-2a2a2a"]


def test_a_planned_process_is_pinned_and_keeps_the_memory_that_was_planned():
    found = placement.options(RAY, spec("fast", memory=1 << 30, cpus=2.0, gpus=0.5, memory_bytes=4 << 30), NODES)
    assert found == {
        "num_cpus": 2.0,
        "num_gpus": 0.5,
        "memory": 1 << 30,
        "scheduling_strategy": (NODES[1]["NodeID"], False),
    }


def test_one_that_nobody_planned_is_ray_s_to_place_by_labels():
    wanted = {"gpus": 1, "gpu_kind": "a100", "gpu_memory_bytes": 8 << 30, "node_labels": {"zone": "a"}}
    found = placement.options(RAY, spec(placement=NodeChoice.PACK, **wanted), NODES)
    assert found["scheduling_strategy"] == "DEFAULT"
    assert found["label_selector"] == {
        "zone": "a",
        "modelyard.io/gpu-kind": "in(NVIDIA-A100-SXM4-40GB)",
        "modelyard.io/gpu-memory-mib": "in(40960)",
    }


def test_a_limit_beyond_the_largest_node_keeps_that_node_as_a_whole():
    assert placement.options(RAY, spec(memory_bytes=99 << 30), NODES)["memory"] == 16 << 30
    assert placement.reserved(spec(), 16 << 30) == NodeUse(cpus=0.1)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (spec("gone"), "no living node 'gone'"),
        (spec("plain", gpus=1), "asks for 1 accelerators"),
        (spec("plain", node_labels={"zone": "a"}), "the label zone=a"),
        (spec(gpus=1, gpu_kind="H100"), "GPUs of the kind 'H100'"),
        (spec(cpus=9.0), "9 cores, and the best node that it may have has 8"),
    ],
)
def test_what_no_node_has_is_refused(wanted: ProcessSpec, words: str):
    with pytest.raises(NoSuchNodeError, match=words):
        placement.check_possible(wanted, NODES)


def test_a_cluster_without_a_living_node_says_so():
    with pytest.raises(NoSuchNodeError, match="there is none"):
        placement.check_possible(spec(), [node("a", is_alive=False)])
