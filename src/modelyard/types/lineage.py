"""Where a model version came from and where it went, as a graph."""

from dataclasses import dataclass
from enum import StrEnum


class LineageKind(StrEnum):
    """What a node stands for."""

    DATASET = "dataset"
    JOB = "job"
    MODEL_VERSION = "model-version"
    ENDPOINT = "endpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageNode:
    """One thing. `id` is unique in the graph ("dataset:digits:1"); `digest` is that of its content, if it has one."""

    id: str
    kind: LineageKind
    name: str
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageEdge:
    """`target` came from `source`, or serves it."""

    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageGraph:
    """Everything around the version `root`: data and job that made it, its ancestors and children, its endpoints."""

    root: str
    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]
