"""The docs name everything that the code has, nothing that it has not, and their links hold."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
import typer.main

import modelyard
from modelyard.cli.main import build
from modelyard.errors import ModelyardError
from modelyard.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("contributing/*.md")])
_NOT_IMPORTABLE = ("__main__", "migrations.env", "images.cnn")  # programs, alembic's own, needs the torch extra
_OF_MLFLOW = "modelyard.facades.mlflow."  # run in MLflow's processes
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")


def import_everything() -> None:
    for module in pkgutil.walk_packages(modelyard.__path__, "modelyard."):
        if not module.name.endswith(_NOT_IMPORTABLE) and not module.name.startswith(_OF_MLFLOW):
            importlib.import_module(module.name)


def subclasses(kind: type) -> set[type]:
    return {kind}.union(*(subclasses(child) for child in kind.__subclasses__()))


def codes_in_code() -> set[str]:
    import_everything()
    return {kind.code for kind in subclasses(ModelyardError) if kind.__module__.startswith("modelyard.")}


def test_every_error_code_is_in_the_reference_and_no_other():
    documented = set(re.findall(r"^\| `(\w+)` \|", (REFERENCE / "errors.md").read_text(), re.MULTILINE))
    assert documented == codes_in_code()


def test_an_error_code_belongs_to_one_class():
    import_everything()
    owners: dict[str, set[type]] = {}
    for kind in subclasses(ModelyardError):
        if "code" in vars(kind):
            owners.setdefault(kind.code, set()).add(kind)
    shared = {code: kinds for code, kinds in owners.items() if len(kinds) > 1}
    assert not shared, shared


def test_every_setting_is_in_the_reference_and_no_other():
    documented = set(re.findall(r"`MODELYARD_(\w+)`", (REFERENCE / "settings.md").read_text()))
    assert documented == {name.upper() for name in Settings.model_fields}


def commands(group, prefix: str) -> list[str]:
    found = []
    for name, command in group.commands.items():
        found += commands(command, f"{prefix} {name}") if hasattr(command, "commands") else [f"{prefix} {name}"]
    return found


def test_every_command_is_in_the_reference():
    text = (REFERENCE / "cli.md").read_text()
    missing = [name for name in commands(typer.main.get_command(build()), "modelyard") if f"`{name}" not in text]
    assert not missing, missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    targets = [target for target, _ in LINK.findall(page.read_text()) if "://" not in target]
    broken = [target for target in targets if not (page.parent / target).exists()]
    assert not broken, broken
