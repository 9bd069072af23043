"""Errors of bundles, artifacts and what watches models: those that a request to a platform brings about too slowly."""

import json
import sys
import threading
import time
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
from onnx import TensorProto, helper
from stage import LIGHTGBM, MANIFEST, Stage

from modelyard.algorithms.bundles import Trained, write_bundle
from modelyard.algorithms.run import JobContext
from modelyard.control.clients.bundle_folders import fetch_checked
from modelyard.control.endpoints.reconciliation.bundles import BundleCache
from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.hosting.archives import unpack
from modelyard.control.models.bundles import check_files
from modelyard.control.models.inspection import ArtifactInspector
from modelyard.control.models.registration import Submission
from modelyard.control.monitors.checking.references import References
from modelyard.control.monitors.checking.windows import serving_version
from modelyard.control.retraining.collecting import Collector
from modelyard.drift.reference import ReferenceSketch
from modelyard.runtimes.base import Predictor, Tensor, Tensors
from modelyard.runtimes.catalog import runtime_for
from modelyard.runtimes.convert import convert_xgboost
from modelyard.runtimes.inspect import inspect
from modelyard.runtimes.sniff import sniff
from modelyard.runtimes.targets.build import build
from modelyard.types.compilation import Target
from modelyard.types.endpoints import Endpoint, EndpointStatus
from modelyard.types.models import ArtifactFormat, Lineage, ModelCard, ModelVersion
from modelyard.types.signatures import DataType, Signature, TensorSpec
from provokers.registration import provokes

SIGNATURE = Signature(
    inputs=(TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2)),),
    outputs=(TensorSpec(name="prediction", datatype=DataType.FP32, shape=(-1,)),),
)


@provokes("bundle_damaged")
def bundle_damaged(stage: Stage) -> None:
    version = _version(stage)
    content = next(stage.registry.objects.list("models/"))
    stage.registry.objects.delete(content.key)
    for file in version.files:
        list(stage.registry.models.file("default", version.model, "1", file.path)[1])


@provokes("bundle_replaced")
def bundle_replaced(stage: Stage) -> None:
    version = _version(stage)
    cache = BundleCache(stage.folder() / "bundles", stage.registry.client())
    cache.fetch("default", version.model, version.number, "0" * 64)


@provokes("artifact_archive_unsafe")
def artifact_archive_unsafe(stage: Stage) -> None:
    path = stage.folder() / "model.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr("../../evil", "x")
    sniff(path)


@provokes("bundle_too_large")
def bundle_too_large(stage: Stage) -> None:
    artifact = stage.folder() / "model.txt"
    artifact.write_bytes(LIGHTGBM)
    check_files({"model.txt": artifact}, max_bytes=10)


@provokes("download_damaged")
def download_damaged(stage: Stage) -> None:
    fetch_checked(stage.folder() / "model.onnx", "5" * 64, lambda path: path.write_bytes(b"half") and None)


@provokes("inspection_failed")
def inspection_failed(stage: Stage) -> None:
    _inspect(stage, time_limit_seconds=0.01)


@provokes("inspection_unavailable")
def inspection_unavailable(stage: Stage) -> None:
    def stop() -> None:
        while not (alive := [state.id for state in stage.engine.list() if state.is_alive]):
            time.sleep(0.01)
        stage.engine.stop(alive[0], grace_seconds=0)

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        _inspect(stage)
    finally:
        thread.join()


@provokes("environment_build_failed")
def environment_build_failed(stage: Stage) -> None:
    EnvironmentBuilder(stage.engine, stage.folder()).lock("numpy==0.0.0.invalid\n")


@provokes("environment_tool_missing")
def environment_tool_missing(stage: Stage) -> None:
    with (
        mock.patch("modelyard.control.environments.building.sys.executable", "/nowhere/python"),
        mock.patch("modelyard.control.environments.building.shutil.which", return_value=None),
    ):
        EnvironmentBuilder(stage.engine, stage.folder()).lock("numpy\n")


@provokes("code_not_permitted")
def code_not_permitted(stage: Stage) -> None:
    script = stage.folder() / "model.py"
    script.write_text("def load(folder): ...\n")
    stage.registry.registration.register("default", stage.name(), {"model.py": script}, Submission())


@provokes("gguf_runtime_missing")
def gguf_runtime_missing(stage: Stage) -> None:
    artifact = stage.folder() / "model.gguf"
    artifact.write_bytes(b"GGUF")
    runtime = runtime_for(ArtifactFormat.GGUF)
    with mock.patch.dict(sys.modules, {"xllamacpp": None}):
        runtime.load(artifact, runtime.infer_signature(artifact))


@provokes("inspections_busy")
def inspections_busy(stage: Stage) -> None:
    inspector = _inspector(stage)
    while inspector._slots.acquire(blocking=False):
        pass
    with (
        mock.patch("modelyard.control.models.inspection._PATIENCE_SECONDS", 0.01),
        inspector.inspected(_artifact(stage), "model.onnx"),
    ):
        pass


@provokes("conversion_failed")
def conversion_failed(_stage: Stage) -> None:
    booster = mock.Mock(feature_types=["c", "q"])
    convert_xgboost(booster, SIGNATURE)


@provokes("target_unfit")
def target_unfit(stage: Stage) -> None:
    bundle, output = stage.folder(), stage.folder()
    inspect(_artifact(stage), bundle)
    build(bundle, output, Target.C, 1e-5)


@provokes("compiler_missing")
def compiler_missing(stage: Stage) -> None:
    bundle, output = stage.folder(), stage.folder()
    inspect(_artifact(stage), bundle)
    with mock.patch.dict(sys.modules, {"treelite": None}):
        build(bundle, output, Target.C, 1e-5)


@provokes("types_untrusted")
def types_untrusted(stage: Stage) -> None:
    import skops.io

    path = stage.folder() / "model.skops"
    skops.io.dump(MyModel(), path)
    runtime_for(ArtifactFormat.SKOPS).infer_signature(path)


@provokes("prediction_failed")
def prediction_failed(stage: Stage) -> None:
    path = stage.folder() / "model.onnx"
    path.write_bytes(_onnx([helper.make_node("Reshape", ["numeric", "shape"], ["prediction"])], shape=[7]))
    predictor = runtime_for(ArtifactFormat.ONNX).load(path, SIGNATURE)
    predictor.predict({"numeric": np.zeros((2, 2), np.float32)})


@provokes("artifact_differs")
def artifact_differs(stage: Stage) -> None:
    trained = Trained(
        artifact=_onnx([helper.make_node("ReduceSum", ["numeric", "shape"], ["prediction"], keepdims=0)], shape=[1]),
        signature=SIGNATURE,
        original=_OneMore(),
        inputs={"numeric": np.arange(80, dtype=np.float32).reshape(40, 2)},
        is_held_out=np.arange(40) % 2 == 0,
        truth=np.arange(40, dtype=np.float64),
        card=ModelCard(task="tabular-regression"),
    )
    write_bundle(trained, JobContext(seed=0, threads=1, target="y", output=stage.folder()))


@provokes("drift_reference_invalid")
def drift_reference_invalid(_stage: Stage) -> None:
    ReferenceSketch.from_json(b"{")


@provokes("drift_reference_missing")
def drift_reference_missing(stage: Stage) -> None:
    References(stage.registry.client(), stage.folder()).get("default", _version(stage).ref)


@provokes("nothing_served")
def nothing_served(_stage: Stage) -> None:
    now = datetime.now(UTC)
    endpoint = Endpoint(
        project="default",
        name="digits",
        status=EndpointStatus.STOPPED,
        reason="",
        variants=(),
        created_at=now,
        updated_at=now,
        version=1,
    )
    serving_version(endpoint)


@provokes("retraining_impossible")
def retraining_impossible(stage: Stage) -> None:
    collector = Collector(stage.registry.client(), mock.Mock(), mock.Mock(), mock.Mock(), stage.folder())
    collector.recipe("default", _version(stage).ref)


class MyModel:
    """A type that nobody has heard of."""


class _OneMore(Predictor):
    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        return {"prediction": inputs["numeric"].sum(axis=1) + 1}


def _version(stage: Stage) -> ModelVersion:
    """A version in the registry of this process."""
    folder = stage.folder()
    (folder / "model.txt").write_bytes(LIGHTGBM)
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    return stage.registry.client().register_model(
        "default", stage.name(), folder, Lineage(), idempotency_key=stage.name()
    )


def _inspector(stage: Stage, **limits: float) -> ArtifactInspector:
    return ArtifactInspector(stage.engine, stage.folder(), EnvironmentBuilder(stage.engine, stage.folder()), **limits)


def _inspect(stage: Stage, **limits: float) -> None:
    artifact = stage.folder() / "model.onnx"
    artifact.write_bytes(_onnx([helper.make_node("ReduceSum", ["numeric", "shape"], ["prediction"])], shape=[1]))
    with _inspector(stage, **limits).inspected(artifact, "model.onnx"):
        pass


def _artifact(stage: Stage) -> Path:
    """A small model that answers."""
    path = stage.folder() / "model.onnx"
    path.write_bytes(
        _onnx([helper.make_node("ReduceSum", ["numeric", "shape"], ["prediction"], keepdims=0)], shape=[1])
    )
    return path


def _onnx(nodes: list[onnx.NodeProto], shape: list[int]) -> bytes:
    """A model with the signature above and a constant "shape"."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("numeric", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, [None])],
        [helper.make_tensor("shape", TensorProto.INT64, [len(shape)], shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


@provokes("model_archive_invalid")
def model_archive_invalid(stage: Stage) -> None:
    archive = stage.folder() / "model.tar.gz"
    archive.write_bytes(b"no archive")
    unpack(archive, stage.folder() / "model")
