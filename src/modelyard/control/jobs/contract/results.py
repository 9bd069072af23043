"""What a program left below /opt/ml, in the bucket of results: model.tar.gz, output.tar.gz, or single files."""

import gzip
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from modelyard.control.jobs.contract.buckets import Address, Buckets
from modelyard.control.jobs.contract.places import ContractPlaces
from modelyard.control.jobs.scripts.places import plain_files
from modelyard.types.contract.recipes import ContractRecipe

MODEL_ARTIFACTS = "model_artifacts"
OUTPUT_ARTIFACTS = "output_artifacts"


def keep_results(buckets: Buckets, project: str, recipe: ContractRecipe, places: ContractPlaces) -> dict[str, str]:
    """Upload the model, and further output if there is some; where they are.

    Raises:
        ModelyardError: the bucket does not take them.
    """
    folder = Address.of(recipe.output_uri, "output_uri").below(recipe.name, "output")
    told = {MODEL_ARTIFACTS: _keep(buckets, project, recipe, folder, "model", plain_files(places.model))}
    output = plain_files(places.output / "data") if not (places.output / "data").is_symlink() else {}
    if output:
        told[OUTPUT_ARTIFACTS] = _keep(buckets, project, recipe, folder, "output", output)
    return told


def _keep(
    buckets: Buckets, project: str, recipe: ContractRecipe, folder: Address, name: str, files: Mapping[str, Path]
) -> str:
    store = buckets.open(project, folder.bucket)
    if not recipe.is_output_compressed:
        inner = folder.below(name)
        for path, file in files.items():
            store.put_file(inner.below(path).key, file)
        return f"{inner}/"
    target = folder.below(f"{name}.tar.gz")
    with tempfile.TemporaryDirectory(prefix="results-") as scratch:
        packed = Path(scratch) / f"{name}.tar.gz"
        pack(files, packed)
        store.put_file(target.key, packed)
    return str(target)


def pack(files: Mapping[str, Path], target: Path) -> None:
    """Write a gzipped tar file; the same files make the same bytes."""
    with (
        target.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=4, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for path, file in sorted(files.items()):
            entry = archive.gettarinfo(str(file), path)
            entry.uid = entry.gid = entry.mtime = 0
            entry.uname = entry.gname = ""
            with file.open("rb") as content:
                archive.addfile(entry, content)
