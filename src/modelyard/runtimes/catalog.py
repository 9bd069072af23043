"""Finds the runtime of an artifact format, and the format of a file."""

from importlib import import_module

from modelyard.runtimes.base import Runtime
from modelyard.runtimes.sniff import sniff
from modelyard.types.models import ArtifactFormat

__all__ = ["runtime_for", "sniff"]

# By name, so that a worker that serves ONNX never imports the other frameworks.
_RUNTIMES = {
    ArtifactFormat.ONNX: ("modelyard.runtimes.formats.onnx", "OnnxRuntime"),
    ArtifactFormat.SKOPS: ("modelyard.runtimes.formats.skops", "SkopsRuntime"),
    ArtifactFormat.XGBOOST: ("modelyard.runtimes.formats.xgboost", "XgboostRuntime"),
    ArtifactFormat.LIGHTGBM: ("modelyard.runtimes.formats.lightgbm", "LightgbmRuntime"),
    ArtifactFormat.GGUF: ("modelyard.runtimes.formats.gguf", "GgufRuntime"),
    ArtifactFormat.SCRIPT: ("modelyard.runtimes.formats.programs.script", "ScriptRuntime"),
    ArtifactFormat.MLFLOW: ("modelyard.runtimes.formats.programs.mlflow", "MlflowRuntime"),
    ArtifactFormat.HTTP: ("modelyard.runtimes.formats.programs.http", "HttpRuntime"),
    ArtifactFormat.IMAGE: ("modelyard.runtimes.formats.programs.image", "ImageRuntime"),
    ArtifactFormat.HANDLERS: ("modelyard.runtimes.formats.programs.handlers", "HandlersRuntime"),
    ArtifactFormat.TORCH: ("modelyard.runtimes.formats.programs.torch", "TorchRuntime"),
    ArtifactFormat.TENSORFLOW: ("modelyard.runtimes.formats.programs.tensorflow", "TensorflowRuntime"),
    ArtifactFormat.CATBOOST: ("modelyard.runtimes.formats.catboost", "CatboostRuntime"),
}


def runtime_for(format: ArtifactFormat) -> Runtime:
    """The runtime that loads `format`."""
    module, name = _RUNTIMES[format]
    runtime: Runtime = getattr(import_module(module), name)()
    return runtime
