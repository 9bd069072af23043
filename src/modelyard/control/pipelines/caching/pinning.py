"""References to versions with their numbers, and the digests of the content behind them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelyard.control.clients.contracts import RegistryClient
from modelyard.errors import NotFoundError
from modelyard.types.pipelines.definitions import KindDescription, ValueType


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """Inputs whose references name a number; digests by input or entry ("data", "data.train")."""

    inputs: dict[str, Any]
    digests: dict[str, str] = field(default_factory=dict)


class Pinning:
    """Looks versions up. Safe from any thread."""

    def __init__(self, registry: RegistryClient) -> None:
        self._registry = registry

    def pin(self, project: str, kind: KindDescription, inputs: Mapping[str, Any]) -> Pinned:
        """The inputs of a step as they mean the same for ever.

        Raises:
            NotFoundError: there is no such version.
        """
        pinned = Pinned(inputs=dict(inputs))
        for spec in kind.inputs:
            value = inputs.get(spec.name)
            if spec.type in (ValueType.DATASET, ValueType.MODEL) and value:
                pinned.inputs[spec.name], pinned.digests[spec.name] = self._version(project, spec.type, value)
            elif spec.type is ValueType.DATASETS and value:
                found = {role: self._version(project, ValueType.DATASET, ref) for role, ref in value.items()}
                pinned.inputs[spec.name] = {role: ref for role, (ref, _) in found.items()}
                pinned.digests.update({f"{spec.name}.{role}": digest for role, (_, digest) in found.items()})
        return pinned

    def missing(self, project: str, kind: KindDescription, outputs: Mapping[str, Any]) -> str:
        """A version that an earlier result names and the registry no longer has; "" if all are there."""
        for spec in kind.outputs:
            value = outputs.get(spec.name)
            if not value:
                continue
            for what, ref in _versions(spec.type, value):
                try:
                    self._version(project, what, ref)
                except NotFoundError:
                    return ref
        return ""

    def _version(self, project: str, type: ValueType, ref: str) -> tuple[str, str]:
        if type is ValueType.MODEL:
            version = self._registry.model_version(project, ref)
            return version.ref, version.digest
        name, _, number = ref.partition(":")
        if number and not number.isdecimal():
            raise NotFoundError(f"There is no dataset version '{ref[:80]}'", hint="Write NAME or NAME:NUMBER.")
        found = self._registry.dataset_version(project, name, int(number) if number else None)
        return f"{found.dataset}:{found.number}", found.digest


def _versions(type: ValueType, value: Any) -> list[tuple[ValueType, str]]:
    """The references that a value holds."""
    if type is ValueType.DATASETS:
        return [(ValueType.DATASET, str(ref)) for ref in value.values()]
    return [(type, str(value))] if type in (ValueType.DATASET, ValueType.MODEL) else []
