"""Every error code of the product is provoked, has words, and is in the reference as it really is."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from provokers.registration import FAMILIES, provoke, provokers
from stage import Stage

import modelyard
from modelyard.errors import ModelyardError

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "errors.md"
_NOT_IMPORTABLE = ("__main__", "migrations.env", "images.cnn")  # programs, alembic's own, needs the torch extra
_OF_MLFLOW = "modelyard.facades.mlflow."  # run in MLflow's processes


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


def codes_in_code() -> set[str]:
    for module in pkgutil.walk_packages(modelyard.__path__, "modelyard."):
        if not module.name.endswith(_NOT_IMPORTABLE) and not module.name.startswith(_OF_MLFLOW):
            importlib.import_module(module.name)
    return {kind.code for kind in subclasses(ModelyardError) if kind.__module__.startswith("modelyard.")}


def subclasses(kind: type) -> set[type]:
    return {kind}.union(*(subclasses(child) for child in kind.__subclasses__()))


@pytest.mark.parametrize("code", sorted(provokers()))
def test_an_error_says_what_is_wrong_and_what_to_do(code: str, stage: Stage):
    example = provoke(code, stage)
    assert example.code == code, example
    assert example.message.strip()
    assert example.hint.strip(), example


def test_every_code_has_a_provoker_or_is_a_family_that_is_never_raised():
    assert set(provokers()) | set(FAMILIES) == codes_in_code()
    assert not set(provokers()) & set(FAMILIES)


def test_the_reference_has_every_code_once():
    documented = re.findall(r"^\| `(\w+)` \|", REFERENCE.read_text(), re.MULTILINE)
    assert sorted(documented) == sorted({*provokers(), *FAMILIES})
