"""How forms of a model are shown, and how a build's files come to lie in a folder."""

import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from typer.testing import CliRunner

from modelyard.cli.main import build
from modelyard.testing.fake_platform import Answer, FakePlatform
from modelyard.types.compilation import Build, Compilation, Target, Timing, Variant, VariantState
from modelyard.types.models import ArtifactFormat, Lineage, Manifest, ModelCard, ModelVersion
from modelyard.types.signatures import Signature

VERSIONS = "/registry/v1/projects/default/models/churn/versions"
COMPILATION = Compilation(
    served="onnx",
    tolerance=1e-5,
    machine="a processor",
    variants=(
        Variant(
            name="original",
            state=VariantState.SLOWER,
            reason="300 times the time of onnx",
            timings=tuple(Timing(batch=batch, microseconds=us) for batch, us in ((1, 3200.0), (8, 3400.0), (64, 21e3))),
        ),
        Variant(
            name="onnx",
            state=VariantState.SERVED,
            reason="the fastest that agrees",
            rows=912,
            max_abs_difference=6.6e-7,
            timings=tuple(Timing(batch=batch, microseconds=us) for batch, us in ((1, 7.34), (8, 12.0), (64, 100.4))),
        ),
    ),
)
VERSION = ModelVersion(
    project="default", model="churn", number=3, digest="0" * 64, size_bytes=1, files=(), lineage=Lineage(),
    manifest=Manifest(
        artifact="model.onnx", artifact_format=ArtifactFormat.ONNX, signature=Signature(inputs=(), outputs=()),
        card=ModelCard(task="tabular-classification", compilation=COMPILATION),
    ),
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


@pytest.fixture
def platform():
    with FakePlatform() as running:
        running.prepare("GET", f"{VERSIONS}/latest", Answer(body=VERSION))
        yield running


@pytest.fixture
def run(platform, tmp_path):
    environment = {"MODELYARD_URL": platform.url, "MODELYARD_TOKEN": "secret", "MODELYARD_HOME": str(tmp_path)}
    return lambda *arguments: CliRunner().invoke(build(), [*arguments], env=environment)


def test_the_forms_of_a_model_are_a_table(run):
    shown = run("models", "show", "churn").stdout
    lines = [line.split() for line in shown.splitlines()]
    assert ["original", "slower", "3200", "us", "3400", "us", "21", "ms"] in lines
    assert ["onnx", "served", "7.3", "us", "12.0", "us", "100", "us", "6.6e-07", "on", "912", "rows"] in lines
    assert "original: 300 times the time of onnx" in shown


def test_as_json_the_card_has_every_figure(run):
    version = json.loads(run("models", "show", "churn", "--json").stdout)
    (original, onnx) = version["manifest"]["card"]["compilation"]["variants"]
    assert (original["state"], onnx["timings"][0]["microseconds"]) == ("slower", 7.34)


@pytest.mark.parametrize("is_bundle", [True, False])
def test_a_build_lies_in_its_folder_and_its_report_outside_a_bundle(is_bundle, run, platform, tmp_path):
    made = Build(target=Target.CPU, is_bundle=is_bundle, summary="What it is.", compilation=COMPILATION)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("build.json", msgspec.json.encode(made))
        archive.writestr("parts/model.onnx", b"content")
    platform.prepare("POST", f"{VERSIONS}/3/builds", Answer(body=packed.getvalue()))
    folder = tmp_path / "made"
    result = run("models", "compile", "churn", "--target", "cpu", "--output", str(folder), "--tolerance", "0.01")
    assert result.exit_code == 0, result.output
    assert (folder / "parts" / "model.onnx").read_bytes() == b"content"
    assert (folder / "build.json").exists() != is_bundle
    assert ("models register churn" in result.output) == is_bundle
    (request,) = platform.sent("POST", f"{VERSIONS}/3/builds")
    assert request.json() == {"target": "cpu", "tolerance": 0.01}


def test_a_build_that_leaves_its_folder_is_refused(run, platform, tmp_path):
    made = Build(target=Target.CPU, is_bundle=True, summary="", compilation=replace(COMPILATION, variants=()))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("build.json", msgspec.json.encode(made))
        archive.writestr("../evil", b"x")
    platform.prepare("POST", f"{VERSIONS}/3/builds", Answer(body=packed.getvalue()))
    result = run("models", "compile", "churn", "--target", "cpu", "--output", str(tmp_path / "made"))
    assert result.exit_code == 2
    assert not (tmp_path / "evil").exists()
