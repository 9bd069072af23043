"""MLflow's model registry is the platform's: what `mlflow.register_model` makes is a version to find and to deploy."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.prompt.registry_utils import add_prompt_filter_string
from mlflow.protos.databricks_pb2 import FEATURE_DISABLED, RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.utils.search_utils import SearchModelUtils, SearchModelVersionUtils, SearchUtils

from modelyard.facades.mlflow.platform import caller_client, in_mlflow_words
from modelyard.facades.mlflow.shapes import described, model_entity, own_location, version_entity, word_of
from modelyard.facades.mlflow.sources import download_source, location_of, run_of

_MOST = 1000


class RegistryStore(AbstractStore):  # type: ignore[misc] # MLflow is not installed where types are checked
    """Entry point `mlflow.model_registry_store`. Holds nothing: the platform is asked, in the caller's name.

    Versions are immutable here. So what changes one after it was made (its description, tags, stage) is refused with
    words; models have descriptions and tags, and aliases move.
    """

    def __init__(self, store_uri: str | None = None, tracking_uri: str | None = None) -> None:
        super().__init__(store_uri, tracking_uri)

    @property
    def supports_workspaces(self) -> bool:
        """Each request is about one project."""
        return True

    # Models

    @in_mlflow_words
    def create_registered_model(
        self, name: str, tags: Sequence[Any] | None = None, description: str | None = None, **_: object
    ) -> RegisteredModel:
        """A model without a version."""
        words = [word_of(tag) for tag in tags or ()]
        with caller_client() as client:
            return model_entity(client.models.create(name, description=description or "", tags=words))

    @in_mlflow_words
    def update_registered_model(self, name: str, description: str | None, **_: object) -> RegisteredModel:
        """Change its description."""
        with caller_client() as client:
            return model_entity(client.models.update(name, description=description or ""))

    @in_mlflow_words
    def delete_registered_model(self, name: str) -> None:
        """With all its versions; refused while an endpoint serves one."""
        with caller_client() as client:
            client.models.delete(name)

    @in_mlflow_words
    def get_registered_model(self, name: str) -> RegisteredModel:
        """By name."""
        with caller_client() as client:
            return model_entity(client.models.model(name))

    @in_mlflow_words
    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RegisteredModel]:
        """In MLflow's query language, over the models of the project."""
        with caller_client() as client:
            models = [model_entity(model) for model in client.models.list()]
        found = SearchModelUtils.filter(models, add_prompt_filter_string(filter_string, is_prompt=False))
        return _page(SearchModelUtils.sort(found, order_by), max_results, page_token)

    @in_mlflow_words
    def get_latest_versions(self, name: str, stages: list[str] | None = None) -> list[ModelVersion]:
        """The newest version; there are no stages, so it is in the stage "None"."""
        if stages and not {stage.lower() for stage in stages} & {"none"}:
            return []
        with caller_client() as client:
            return [version_entity(client.models.get(name))] if client.models.model(name).latest else []

    @in_mlflow_words
    def set_registered_model_tag(self, name: str, tag: Any) -> None:
        """Add or replace one."""
        with caller_client() as client:
            model = client.models.model(name)
            kept = [word for word in model.tags if word.partition("=")[0] != tag.key]
            client.models.update(name, tags=[*kept, word_of(tag)], version=model.version)

    @in_mlflow_words
    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Remove one, if it is there."""
        with caller_client() as client:
            model = client.models.model(name)
            kept = [word for word in model.tags if word.partition("=")[0] != key]
            client.models.update(name, tags=kept, version=model.version)

    # Versions

    @in_mlflow_words
    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Sequence[Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Read the model from MLflow's artifacts and register it; the answer comes when it is ready to deploy."""
        del run_link, local_model_path  # the first is a page elsewhere, the second is never said to a server
        location = location_of(source)
        run_id = run_id or run_of(source)
        card = described(location, run_id=run_id, model_id=model_id, tags=tags or (), description=description)
        with tempfile.TemporaryDirectory(prefix="modelyard-mlflow-") as folder, caller_client() as client:
            download_source(location, Path(folder))
            return version_entity(client.models.register(name, folder, card=card))

    @in_mlflow_words
    def get_model_version(self, name: str, version: str) -> ModelVersion:
        """By number."""
        with caller_client() as client:
            return version_entity(client.models.get(f"{name}:{version}"))

    @in_mlflow_words
    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Where the alias points."""
        with caller_client() as client:
            return version_entity(client.models.get(f"{name}@{alias}"))

    @in_mlflow_words
    def delete_model_version(self, name: str, version: str) -> None:
        """Refused while an endpoint serves it."""
        with caller_client() as client:
            client.models.delete(name, number=int(version))

    @in_mlflow_words
    def get_model_version_download_uri(self, name: str, version: str) -> str:
        """Where MLflow's client reads it: the artifacts that it was registered from."""
        with caller_client() as client:
            found = own_location(client.models.get(f"{name}:{version}"))
        if not found:
            raise MlflowException(
                f"'{name}' version {version} was not registered by MLflow, so MLflow has no artifacts of it. "
                f"`modelyard models download {name}:{version}` reads it.",
                RESOURCE_DOES_NOT_EXIST,
            )
        return found

    @in_mlflow_words
    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        """In MLflow's query language, over the versions of the project."""
        with caller_client() as client:
            names = _named(filter_string) or [model.name for model in client.models.list()]
            known = {model.name for model in client.models.list()}
            versions = [
                version_entity(each) for name in names if name in known for each in client.models.versions(name)
            ]
        found = SearchModelVersionUtils.filter(versions, add_prompt_filter_string(filter_string, is_prompt=False))
        usual = ["last_updated_timestamp DESC", "name ASC", "version_number DESC"]
        return _page(SearchModelVersionUtils.sort(found, order_by or usual), max_results, page_token)

    @in_mlflow_words
    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Let it point to a version."""
        with caller_client() as client:
            client.models.set_alias(name, alias, int(version))

    @in_mlflow_words
    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Take it away; the version stays."""
        with caller_client() as client:
            client.models.delete_alias(name, alias)

    def list_webhooks_by_event(self, event: object, **_: object) -> PagedList[Any]:
        """None: the platform tells its events itself."""
        del event
        return PagedList([], None)

    # What is refused

    def rename_registered_model(self, name: str, new_name: str) -> NoReturn:
        """Endpoints and lineage refer to models by name."""
        _refuse(f"'{name}' cannot be renamed to '{new_name}': endpoints and lineage know it by its name")

    def update_model_version(self, name: str, version: str, description: str | None) -> NoReturn:
        """Versions are immutable."""
        del description
        _refuse(f"'{name}' version {version} cannot be described anew: versions do not change. Describe the model")

    def transition_model_version_stage(self, name: str, version: str, *_: object) -> NoReturn:
        """There are aliases."""
        _refuse(f"'{name}' version {version} has no stage: use an alias (set_registered_model_alias)")

    def set_model_version_tag(self, name: str, version: str, tag: Any) -> NoReturn:
        """Versions are immutable."""
        _refuse(f"'{name}' version {version} cannot get the tag '{tag.key}' now: give tags to register_model")

    def delete_model_version_tag(self, name: str, version: str, key: str) -> NoReturn:
        """Versions are immutable."""
        _refuse(f"'{name}' version {version} cannot lose the tag '{key}': versions do not change")


def _named(filter_string: str | None) -> str | None:
    """The one model that a filter is about, if it names one: the versions of others need not be read then."""
    parts = SearchModelVersionUtils.parse_search_filter(filter_string) if filter_string else []
    return next((part["value"] for part in parts if part["key"] == "name" and part["comparator"] == "="), None)


def _page(found: Sequence[Any], max_results: int | None, page_token: str | None) -> PagedList[Any]:
    start = SearchUtils.parse_start_offset_from_page_token(page_token)
    end = start + (max_results or _MOST)
    return PagedList(found[start:end], SearchUtils.create_page_token(end) if end < len(found) else None)


def _refuse(words: str) -> NoReturn:
    raise MlflowException(f"{words}.", FEATURE_DISABLED)
