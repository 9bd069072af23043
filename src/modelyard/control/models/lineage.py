"""The lineage graph of a version: dataset -> job -> version -> endpoint, with its ancestors and children."""

from collections.abc import Callable, Mapping

from modelyard.types.models import DataReference, LineageEdge, LineageGraph, LineageKind, LineageNode, ModelVersion

_MAXIMUM_ANCESTORS = 100


def lineage_graph(
    version: ModelVersion,
    parent_of: Callable[[ModelVersion], ModelVersion | None],
    children: Mapping[int, tuple[int, ...]],
) -> LineageGraph:
    """Everything around `version`.

    Args:
        version: the root.
        parent_of: the version that another was retrained from, if it still exists.
        children: number -> numbers of the versions retrained from it.
    """
    graph = _Graph()
    root = graph.add_version(version)
    for number in children.get(version.number, ()):
        child = graph.add_node(LineageKind.MODEL_VERSION, f"{version.model}:{number}")
        graph.connect(root, child)
    current, child = version, root
    for _ in range(_MAXIMUM_ANCESTORS):
        parent = parent_of(current)
        if parent is None:
            break
        parent_node = graph.add_version(parent)
        graph.connect(parent_node, child)
        current, child = parent, parent_node
    return LineageGraph(root=root, nodes=tuple(graph.nodes.values()), edges=tuple(graph.edges))


class _Graph:
    """Nodes by id and edges, each once, in the order in which they were found."""

    def __init__(self) -> None:
        self.nodes: dict[str, LineageNode] = {}
        self.edges: dict[LineageEdge, None] = {}

    def add_node(self, kind: LineageKind, name: str, digest: str = "") -> str:
        node_id = f"{kind}:{name}"
        if node_id not in self.nodes or not self.nodes[node_id].digest:
            self.nodes[node_id] = LineageNode(id=node_id, kind=kind, name=name, digest=digest)
        return node_id

    def connect(self, source: str, target: str) -> None:
        self.edges[LineageEdge(source=source, target=target)] = None

    def add_version(self, version: ModelVersion) -> str:
        """The version with what made it and what serves it."""
        node = self.add_node(LineageKind.MODEL_VERSION, version.ref, version.digest)
        maker = node
        if version.lineage.job is not None:
            maker = self.add_node(LineageKind.JOB, version.lineage.job)
            self.connect(maker, node)
        for reference in version.lineage.datasets or version.manifest.card.training_data:
            self.connect(self.add_node(LineageKind.DATASET, _dataset_name(reference), reference.digest), maker)
        for endpoint in version.endpoints:
            self.connect(node, self.add_node(LineageKind.ENDPOINT, endpoint))
        return node


def _dataset_name(reference: DataReference) -> str:
    return f"{reference.dataset}:{reference.number}"
