# ruff: noqa: D102, PLR2004, S101 - these are tests: their names are sentences
"""The conformance suite of RegistryClient. Subclass it in a test module and give the fixture `case`.

class TestMyClient(RegistryClientConformance):
    @pytest.fixture
    def case(self, ...): return RegistryCase(client=..., secret=...)
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from modelyard.control.clients.contracts import RegistryClient
from modelyard.errors import InvalidInputError, NotFoundError, UnauthenticatedError
from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.types.access import Role
from modelyard.types.compute.scheduling import Quota
from modelyard.types.datasets import DatasetFormat, VersionDraft
from modelyard.types.models import (
    ArtifactFormat,
    DataReference,
    Evaluation,
    Lineage,
    Manifest,
    Metric,
    ModelCard,
)
from modelyard.types.signatures import DataType, Signature, TensorSpec

PROJECT = "default"
AT = datetime(2026, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class RegistryCase:
    """A client of a registry whose project "default" is empty.

    `secret` is that of a developer's token of this project, named "someone".
    """

    client: RegistryClient
    secret: str


def write_bundle_folder(folder: Path, *, content: str = "1", task: str = "tabular-regression", extra: str = "") -> Path:
    """A small bundle that no runtime could load but that is well-formed; other `content`, another digest."""
    (folder / "notes").mkdir(parents=True, exist_ok=True)
    manifest = Manifest(
        artifact="model.txt",
        artifact_format=ArtifactFormat.LIGHTGBM,
        signature=Signature(
            inputs=(TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("a", "b")),),
            outputs=(TensorSpec(name="prediction", datatype=DataType.FP32, shape=(-1,)),),
        ),
        card=ModelCard(task=task, description=extra, metrics=(Metric(name="rmse", value=1.5, low=1.0, high=2.0, n=9),)),
    )
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    (folder / "model.txt").write_text(f"tree\nversion=v4\n{content}\n")
    (folder / "notes" / "read me.md").write_text("ü\n" * 1000)
    return folder


class RegistryClientConformance:
    """What every RegistryClient must do."""

    @pytest.fixture
    def bundle(self, tmp_path: Path) -> Path:
        return write_bundle_folder(tmp_path / "bundle")

    @pytest.fixture
    def table(self, tmp_path: Path) -> Path:
        path = tmp_path / "table.csv"
        path.write_text("a,b\n" + "".join(f"{i},{i * 2}\n" for i in range(200)))
        return path

    def test_a_token_is_known_by_its_secret_alone(self, case: RegistryCase) -> None:
        principal = case.client.authenticate(case.secret)
        assert (principal.name, principal.role, principal.project) == ("someone", Role.DEVELOPER, PROJECT)
        with pytest.raises(UnauthenticatedError):
            case.client.authenticate("my_nobody_0000")

    def test_the_gateway_gets_hashes_and_no_secrets(self, case: RegistryCase) -> None:
        tokens = case.client.route_tokens()
        assert any(token.project == PROJECT and token.role is Role.DEVELOPER for token in tokens)
        assert case.secret not in str(tokens)

    def test_projects_exist_or_not(self, case: RegistryCase) -> None:
        assert case.client.project_exists(PROJECT)
        assert not case.client.project_exists("no-such-project")

    def test_code_is_not_permitted_unless_somebody_wrote_why(self, case: RegistryCase) -> None:
        assert not case.client.permits_code(PROJECT)
        assert not case.client.permits_code("no-such-project")

    def test_a_project_has_no_limits_until_somebody_sets_them(self, case: RegistryCase) -> None:
        assert case.client.quota(PROJECT) == Quota()
        assert case.client.quota("no-such-project") == Quota()
        assert case.client.idle_after_hours(PROJECT) is None
        assert case.client.idle_after_hours("no-such-project") is None

    def test_a_dataset_version_comes_back_as_it_was_sent(self, case: RegistryCase, table: Path, tmp_path: Path) -> None:
        version = self.new_dataset(case, table)
        assert (version.number, version.schema.rows, version.source) == (1, 200, {"job": "job-1"})
        assert case.client.dataset_version(PROJECT, "numbers") == version
        assert case.client.dataset_version(PROJECT, "numbers", 1) == version
        case.client.download_dataset(version, tmp_path / "copy.csv")
        assert (tmp_path / "copy.csv").read_bytes() == table.read_bytes()
        assert self.new_dataset(case, table) == version

    def test_versions_of_several_datasets_are_made_together_or_not_at_all(
        self, case: RegistryCase, table: Path, tmp_path: Path
    ) -> None:
        other, spoilt = tmp_path / "other.csv", tmp_path / "spoilt.csv"
        other.write_text("a,b\n1,2\n")
        spoilt.write_bytes(b"")
        drafts = [
            VersionDraft(dataset=name, content=path, format=DatasetFormat.CSV, source={"job": "job-1"})
            for name, path in (("train", table), ("test", other))
        ]
        made = case.client.create_dataset_versions(PROJECT, drafts)
        assert [(version.dataset, version.number, version.schema.rows) for version in made] == [
            ("train", 1, 200),
            ("test", 1, 1),
        ]
        assert case.client.create_dataset_versions(PROJECT, drafts) == made
        assert made[0].source == {"job": "job-1"}
        changed = [replace(drafts[0], content=other), replace(drafts[1], dataset="new", content=spoilt)]
        with pytest.raises(InvalidInputError):
            case.client.create_dataset_versions(PROJECT, changed)
        assert case.client.dataset_version(PROJECT, "train").number == 1
        with pytest.raises(NotFoundError):
            case.client.dataset_version(PROJECT, "new")

    def test_what_is_not_there_is_not_found(self, case: RegistryCase, table: Path) -> None:
        self.new_dataset(case, table)
        calls: list[Callable[[], object]] = [
            lambda: case.client.dataset_version(PROJECT, "nothing"),
            lambda: case.client.dataset_version(PROJECT, "numbers", 7),
            lambda: case.client.model_version(PROJECT, "nothing"),
            lambda: case.client.model_version(PROJECT, "nothing:3"),
            lambda: case.client.set_alias(PROJECT, "nothing", "champion", 1),
            lambda: case.client.record_deployments(PROJECT, "live", ["nothing:1"]),
        ]
        for call in calls:
            with pytest.raises(NotFoundError) as caught:
                call()
            assert caught.value.hint

    def test_a_model_version_comes_back_as_it_was_sent(self, case: RegistryCase, bundle: Path, tmp_path: Path) -> None:
        lineage = Lineage(
            job="job-1",
            datasets=(DataReference(project=PROJECT, dataset="numbers", number=1, digest="0" * 64),),
            parent=None,
            created_by="someone",
        )
        version = case.client.register_model(PROJECT, "prices", bundle, lineage, idempotency_key="a")
        assert (version.ref, version.lineage) == ("prices:1", lineage)
        assert version.manifest.card.metrics[0].high == 2.0
        for ref in ("prices", "prices:1", "prices:latest"):
            assert case.client.model_version(PROJECT, ref) == version
        target = tmp_path / "copy"
        case.client.download_model(version, target)
        files = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}
        assert files == {file.path: (bundle / file.path).read_bytes() for file in version.files}
        assert sorted(files) == ["manifest.json", "model.txt", "notes/read me.md"]

    def test_the_same_bundle_is_the_same_version_and_another_one_the_next(
        self, case: RegistryCase, bundle: Path, tmp_path: Path
    ) -> None:
        first = case.client.register_model(PROJECT, "prices", bundle, Lineage(created_by="x"), idempotency_key="a")
        again = case.client.register_model(PROJECT, "prices", bundle, Lineage(created_by="x"), idempotency_key="a")
        other = write_bundle_folder(tmp_path / "other", content="2")
        second = case.client.register_model(PROJECT, "prices", other, Lineage(created_by="x"), idempotency_key="b")
        assert (again, second.number) == (first, 2)
        assert case.client.model_version(PROJECT, "prices").number == 2

    def test_versions_registered_at_the_same_time_get_numbers_of_their_own(
        self, case: RegistryCase, tmp_path: Path
    ) -> None:
        bundles = [write_bundle_folder(tmp_path / str(index), content=str(index % 4)) for index in range(8)]

        def register(bundle: Path) -> int:
            lineage = Lineage(created_by="x")
            return case.client.register_model(PROJECT, "prices", bundle, lineage, idempotency_key=bundle.name).number

        with ThreadPoolExecutor(8) as pool:
            numbers = list(pool.map(register, bundles))
        assert numbers[:4] == numbers[4:]
        assert sorted(numbers[:4]) == [1, 2, 3, 4]

    def test_a_bundle_that_is_none_is_refused_and_leaves_nothing(self, case: RegistryCase, bundle: Path) -> None:
        (bundle / "model.txt").write_bytes(b"\x80\x04\x95")
        with pytest.raises(ArtifactInvalidError):
            case.client.register_model(PROJECT, "prices", bundle, Lineage(), idempotency_key="a")
        (bundle / "model.txt").unlink()
        (bundle / "model.txt").symlink_to(bundle / "manifest.json")
        with pytest.raises(InvalidInputError):
            case.client.register_model(PROJECT, "prices", bundle, Lineage(), idempotency_key="b")
        with pytest.raises(NotFoundError):
            case.client.model_version(PROJECT, "prices")

    def test_aliases_evaluations_and_deployments_show_on_the_version(self, case: RegistryCase, bundle: Path) -> None:
        case.client.register_model(PROJECT, "prices", bundle, Lineage(), idempotency_key="a")
        case.client.set_alias(PROJECT, "prices", "champion", 1)
        gate = Evaluation(name="gate", is_passed=False, reason="too slow", figures={"p99_ms": 12.5}, at=AT)
        case.client.record_evaluation(PROJECT, "prices", 1, gate)
        passed = replace(gate, is_passed=True, reason="fast enough")
        case.client.record_evaluation(PROJECT, "prices", 1, passed)
        case.client.record_deployments(PROJECT, "live", ["prices:1", "prices@champion"])
        version = case.client.model_version(PROJECT, "prices@champion")
        assert (version.aliases, version.evaluations, version.endpoints) == (("champion",), (passed,), ("live",))
        case.client.record_deployments(PROJECT, "live", [])
        assert case.client.model_version(PROJECT, "prices").endpoints == ()

    @staticmethod
    def new_dataset(case: RegistryCase, table: Path):  # type: ignore[no-untyped-def] # noqa: ANN205
        return case.client.create_dataset_version(
            PROJECT,
            "numbers",
            table,
            DatasetFormat.CSV,
            description="doubles",
            source={"job": "job-1"},
            idempotency_key="dataset-1",
        )
