"""What a version is explained against, and its trees: out of its bundle, or out of its traffic."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from modelyard.algorithms.explanations.graphs import TreeModel, read_trees
from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.masked import masked_inputs
from modelyard.control.captures.parquet import concatenate
from modelyard.control.captures.service import CaptureService
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.endpoints.reconciliation.bundles import BundleCache
from modelyard.control.evaluation.asking import AskedVariant
from modelyard.kit.files import inside
from modelyard.runtimes.background import read_background
from modelyard.runtimes.base import Tensors
from modelyard.runtimes.bundle import read_compilation, read_golden, read_manifest
from modelyard.runtimes.tensors import from_json
from modelyard.types.models import ArtifactFormat

TRAINING, TRAFFIC, GOLDEN = "training", "traffic", "golden"
_LEAST_TRAFFIC = 20
_KEPT_TREES = 4


class Backgrounds:
    """Background rows and trees of versions. Safe from any thread.

    Args:
        registry: knows the versions.
        bundles: their files, fetched once.
        captures: the traffic.
    """

    def __init__(self, registry: RegistryClient, bundles: BundleCache, captures: CaptureService) -> None:
        self._registry = registry
        self._bundles = bundles
        self._captures = captures
        self._read_trees = lru_cache(maxsize=_KEPT_TREES)(read_trees)  # a bundle's files never change

    def rows(self, project: str, endpoint: str, model: AskedVariant, most: int) -> tuple[Tensors, str]:
        """At least one row, at most `most`, and where they come from.

        Rows of the training data, if the bundle keeps some; else the newest captured ones; else the golden requests.

        Raises:
            ModelyardError: the bundle cannot be had.
        """
        bundle = self._bundle(project, model.version)
        found, source = read_background(bundle), TRAINING
        if found is None:
            found, source = self._traffic(project, endpoint, model, most), TRAFFIC
        if found is None:
            found, source = _golden(bundle), GOLDEN
        rows = len(next(iter(found.values())))
        chosen = np.linspace(0, rows - 1, min(rows, most)).round().astype(np.intp)
        return {name: np.asarray(tensor)[chosen] for name, tensor in found.items()}, source

    def trees(self, project: str, version: str) -> TreeModel | None:
        """The trees of a version, if one of its forms is an ONNX file that holds them."""
        bundle = self._bundle(project, version)
        manifest, compilation = read_manifest(bundle), read_compilation(bundle)
        files: list[tuple[str, str]] = [(manifest.artifact_format, manifest.artifact)]
        if compilation is not None:
            files += [(each.artifact_format, each.artifact) for each in compilation.variants if each.artifact]
        for kind, name in files:
            path = inside(bundle, name)
            if kind == ArtifactFormat.ONNX and path.is_file():
                return self._read_trees(path)
        return None

    def _bundle(self, project: str, version: str) -> Path:
        found = self._registry.model_version(project, version)
        return self._bundles.fetch(project, found.model, found.number, found.digest)

    def _traffic(self, project: str, endpoint: str, model: AskedVariant, most: int) -> Tensors | None:
        wanted = BatchFilter(project=project, endpoint=endpoint, version=model.version)
        names = {spec.name for spec in model.signature.inputs}
        found = (item for batch in self._captures.newest(wanted, rows=max(most, _LEAST_TRAFFIC)) for item in batch)
        items = [item for item in found if not masked_inputs(model.signature, item.masked)]
        groups = [(inputs, sum(item.rows for item in group)) for group, inputs, _ in concatenate(items)]
        fitting = [(inputs, rows) for inputs, rows in groups if set(inputs) == names and rows >= _LEAST_TRAFFIC]
        return max(fitting, key=lambda each: each[1])[0] if fitting else None


def _golden(bundle: Path) -> Tensors:
    requests = [{t.name: from_json(t) for t in request.inputs} for request in read_golden(bundle).requests]
    return max(requests, key=lambda tensors: len(next(iter(tensors.values()))))
