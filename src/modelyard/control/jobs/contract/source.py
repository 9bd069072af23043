"""The code of a script, an archive in a bucket, and the packages that its requirements.txt asks for."""

import json
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.environments.locks import Locks
from modelyard.control.jobs.contract.buckets import Address, Buckets
from modelyard.control.jobs.contract.errors import ContractInvalidError
from modelyard.storage.objects import ObjectNotFoundError
from modelyard.types.contract.recipes import ContractRecipe

REQUIREMENTS = "requirements.txt"
_SUBMIT_DIRECTORY = "sagemaker_submit_directory"
_MOST_BYTES = 2 << 30
_FIELD = f"hyperparameters.{_SUBMIT_DIRECTORY}"


def text_of(recipe: ContractRecipe, name: str) -> str:
    """A hyper-parameter that is a text; SDKs write some of those as JSON."""
    value = recipe.hyperparameters.get(name, "")
    try:
        decoded = json.loads(value)
    except ValueError:
        return value
    return decoded if isinstance(decoded, str) else value


def unpack_source(buckets: Buckets, project: str, recipe: ContractRecipe, folder: Path) -> None:
    """Write the files of the job's source code into `folder`; nothing if it names none.

    Raises:
        ContractInvalidError: what it names is no tar file, or one that would leave its folder.
        ModelyardError: it cannot be fetched.
    """
    uri = text_of(recipe, _SUBMIT_DIRECTORY)
    if not uri.startswith("s3://"):
        return  # a folder of the image, or none
    address = Address.of(uri, _FIELD)
    with tempfile.TemporaryDirectory(prefix="source-") as scratch:
        packed = Path(scratch) / "source.tar.gz"
        try:
            buckets.open(project, address.bucket).download(address.key, packed)
        except ObjectNotFoundError as error:
            raise _invalid(uri, "there is no such object") from error
        try:
            with tarfile.open(packed) as archive:
                if sum(member.size for member in archive) > _MOST_BYTES:
                    raise _invalid(uri, "it unpacks to more than 2 GiB")
                archive.extractall(folder, filter="data")
        except (tarfile.TarError, EOFError, OSError) as error:
            raise _invalid(uri, str(error)) from error


def _invalid(uri: str, reason: str) -> ContractInvalidError:
    return ContractInvalidError(
        f"The source code at {uri} cannot be unpacked: {reason}",
        hint="It has to be a gzipped tar file with the script and, if need be, a requirements.txt.",
        field=_FIELD,
    )


def _requirements(folder: Path) -> str:
    """What the requirements.txt there says; empty: nothing."""
    path = folder / REQUIREMENTS
    if path.is_symlink() or not path.is_file():
        return ""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ContractInvalidError(
            f"{REQUIREMENTS} is no text: {error}", hint="Write it in UTF-8.", field=_FIELD
        ) from error
    is_empty = all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines())
    return "" if is_empty else text


class ScriptPackages:
    """Builds folders of packages. Safe from any thread; equal requirements share one."""

    def __init__(self, environments: EnvironmentBuilder, locks: Locks) -> None:
        self._environments = environments
        self._locks = locks

    def pinned(self, recipe: ContractRecipe, code: Path, channel: Path) -> ContractRecipe:
        """The recipe with its requirements locked, so that every attempt has the same packages.

        Args:
            recipe: of the job.
            code: where its source code is.
            channel: folder of the channel `code`, in which ModelTrainer puts it. Its start script calls pip, which then
                finds that everything is there.

        Raises:
            ContractInvalidError: the file is no text.
            EnvironmentBuildFailedError, EnvironmentToolMissingError: they cannot be resolved.
        """
        if recipe.environment_lock or not recipe.is_script:
            return recipe
        of_trainer = _requirements(channel)
        requirements = _requirements(code) or (f"{of_trainer}\npip\n" if of_trainer else "")
        if not requirements:
            return recipe
        return replace(recipe, environment_lock=self._locks.keep(self._environments.lock(requirements)))

    def folder(self, recipe: ContractRecipe) -> Path | None:
        """Where those packages are: in front of the platform's own on the script's path; None: it has none.

        Raises:
            EnvironmentBuildFailedError, EnvironmentToolMissingError: they cannot be installed.
        """
        if not recipe.environment_lock:
            return None
        python = self._environments.ensure(self._locks.read(recipe.environment_lock))
        return next((python.parent.parent / "lib").glob("python*/site-packages"))
