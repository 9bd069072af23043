"""Models and versions of the registry in MLflow's classes, and what MLflow knows of a version in a model card."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mlflow.entities.model_registry import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)

from modelyard.types import models

_LOCATION, _RUN, _MODEL, _TAG = "mlflow.location", "mlflow.run_id", "mlflow.model_id", "mlflow.tag."
"""Free fields of a card; discovery finds them as custom.<name>."""


def described(
    location: str, *, run_id: str | None, model_id: str | None, tags: Sequence[Any], description: str | None
) -> Mapping[str, Any]:
    """The fields of a card that say where in MLflow a version came from."""
    custom = {_LOCATION: location, _RUN: run_id, _MODEL: model_id, **{f"{_TAG}{tag.key}": tag.value for tag in tags}}
    card: dict[str, Any] = {"custom": {name: value for name, value in custom.items() if value}}
    return card | ({"description": description} if description else {})


def own_location(version: models.ModelVersion) -> str:
    """The artifacts that MLflow's client registered it from; empty for one from elsewhere."""
    return str(version.manifest.card.custom.get(_LOCATION, ""))


def version_entity(version: models.ModelVersion) -> ModelVersion:
    """A version as MLflow shows it."""
    card, at = version.manifest.card, _milliseconds(version.created_at)
    return ModelVersion(
        name=version.model,
        version=str(version.number),
        creation_timestamp=at,
        last_updated_timestamp=at,
        description=card.description,
        user_id=version.lineage.created_by,
        current_stage="None",
        source=own_location(version),
        run_id=str(card.custom.get(_RUN, "")),
        model_id=str(card.custom.get(_MODEL, "")) or None,
        tags=[
            ModelVersionTag(name.removeprefix(_TAG), str(value))
            for name, value in card.custom.items()
            if name.startswith(_TAG)
        ],
        aliases=list(version.aliases),
    )


def model_entity(model: models.Model) -> RegisteredModel:
    """A model as MLflow shows it; of its newest version no more than the number."""
    created, updated = _milliseconds(model.created_at), _milliseconds(model.updated_at)
    newest = [] if model.latest is None else [ModelVersion(model.name, str(model.latest), updated, updated)]
    return RegisteredModel(
        name=model.name,
        creation_timestamp=created,
        last_updated_timestamp=updated,
        description=model.description,
        latest_versions=newest,
        tags=[RegisteredModelTag(*_split(word)) for word in model.tags],
        aliases=[RegisteredModelAlias(alias, str(number)) for alias, number in model.aliases.items()],
    )


def word_of(tag: Any) -> str:
    """A tag of MLflow's, which has a name and a value, as one of ours, which is a word: "team=vision"."""
    return f"{tag.key}={tag.value}" if tag.value else str(tag.key)


def _split(word: str) -> tuple[str, str]:
    key, _, value = word.partition("=")
    return key, value


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
