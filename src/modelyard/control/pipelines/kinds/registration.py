"""Steps that give a model version an alias, or register it under another model."""

import tempfile
from dataclasses import replace
from pathlib import Path

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.pipelines.kinds.base import MODEL_OUTPUT, Immediate, Inputs, Progress, Stage, StepContext
from modelyard.types.models import ModelVersion
from modelyard.types.pipelines.definitions import InputSpec, KindDescription, ValueType


class RegisterStep(Immediate):
    """Registers a version that is there already under another name, and moves an alias to it.

    Args:
        registry: holds the versions.
        folder: for a copy of a bundle while it is registered again; made if absent.
    """

    description = KindDescription(
        name="register",
        description="Gives a model version an alias, registers it as a version of another model, or both.",
        inputs=(
            InputSpec(name="version", type=ValueType.MODEL, description="The version.", is_required=True),
            InputSpec(name="model", type=ValueType.TEXT, description="Model that gets it as its next version."),
            InputSpec(name="alias", type=ValueType.TEXT, description="Alias that points to it from then on."),
        ),
        outputs=(MODEL_OUTPUT,),
    )

    def __init__(self, registry: RegistryClient, folder: Path) -> None:
        self._registry = registry
        self._folder = folder

    def begin(self, context: StepContext, inputs: Inputs) -> Progress:
        """See StepKind. A bundle with the same content is the same version, however often it is registered."""
        version = self._registry.model_version(context.project, inputs["version"])
        name = inputs.get("model")
        if name and name != version.model:
            version = self._copied(context, version, name)
        done = [f"{version.ref} is registered"] if name else []
        if alias := inputs.get("alias"):
            self._registry.set_alias(context.project, version.model, alias, version.number)
            done.append(f"{version.model}@{alias} is {version.ref}")
        return Progress(stage=Stage.COMPLETED, outputs={"model": version.ref}, message="; ".join(done))

    def _copied(self, context: StepContext, version: ModelVersion, name: str) -> ModelVersion:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="register-") as folder:
            self._registry.download_model(version, Path(folder))
            lineage = replace(version.lineage, parent=None, created_by=context.created_by)
            return self._registry.register_model(
                context.project, name, Path(folder), lineage, idempotency_key=context.key
            )
