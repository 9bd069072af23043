"""From a model.tar.gz and the image beside it to a folder that the registry takes.

Source: Amazon SageMaker Developer Guide, "Use Your Own Inference Code with Hosting Services"; SageMaker Python SDK
documentation, "Model directory structure".
"""

import json
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from modelyard.control.hosting.errors import ModelArchiveInvalidError
from modelyard.control.hosting.images import ImageMeaning, Serving, meaning_of
from modelyard.runtimes.bundle import MANIFEST
from modelyard.types.serving.answers import AnswerForm
from modelyard.types.serving.hosting import ModelContainer

_XGBOOST = "xgboost-model"
_GRAPH = "model.onnx"
_CODE = "code"
_SCRIPTS = ("inference.py", "serve.py", "predictor.py")
_REQUIREMENTS = "requirements.txt"
_SOFTMAX = b"multi:softmax"
_MAX_UNPACKED_BYTES = 16 << 30
_IMAGE_PROGRAM = {"command": ["serve"], "content_type": "*/*", "port": 8080, "start_seconds": 240.0}


def unpack(archive: Path, target: Path) -> None:
    """Unpack a model.tar.gz into `target`.

    Raises:
        ModelArchiveInvalidError: it is no such archive, unpacks to too much, or would write outside the folder.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive) as tar:
            if sum(member.size for member in tar.getmembers()) > _MAX_UNPACKED_BYTES:
                raise ModelArchiveInvalidError("the archive unpacks to over 16 GiB", hint="Make the model smaller.")
            tar.extractall(target, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ModelArchiveInvalidError(
            f"the model's archive cannot be unpacked ({type(error).__name__})",
            hint="It is a tar file, compressed with gzip, whose paths stay inside it.",
        ) from error


def prepare(folder: Path, container: ModelContainer) -> AnswerForm:
    """Make the unpacked `folder` one that the registry takes; returns how its answers are written.

    Raises:
        ModelArchiveInvalidError: there is nothing in it that this image serves.
    """
    meaning = meaning_of(container.image)
    if meaning.serving is Serving.IMAGE:
        _write(
            folder / "image.json", {**_IMAGE_PROGRAM, "image": container.image, "environment": container.environment}
        )
        return AnswerForm.NAMED
    script = _script(folder, container)
    if script is not None:
        _as_handlers(folder, script)
        return AnswerForm.NAMED
    if (folder / MANIFEST).is_file():
        return meaning.answers
    if meaning.serving is Serving.HANDLERS:
        raise ModelArchiveInvalidError(
            "the archive has no script with handlers",
            hint="Put inference.py with model_fn into the folder code/, or name the script in SAGEMAKER_PROGRAM.",
        )
    return _as_artifact(folder, meaning)


def _script(folder: Path, container: ModelContainer) -> str | None:
    """The script with handlers, as a path in the folder; None if there is none."""
    named = container.environment.get("SAGEMAKER_PROGRAM", "")
    for name in (named,) if named else _SCRIPTS:
        for path in (PurePosixPath(_CODE) / name, PurePosixPath(name)):
            if (folder / path).is_file():
                return str(path)
    if named:
        raise ModelArchiveInvalidError(
            f"the archive has no '{_CODE}/{named[:100]}', which SAGEMAKER_PROGRAM names",
            hint="Repack the model with its code: the SDK does so when a model is made with source_dir.",
        )
    return None


def _as_handlers(folder: Path, script: str) -> None:
    _write(folder / "handlers.json", {"program": script})
    requirements = folder / Path(script).parent / _REQUIREMENTS
    if requirements.is_file() and not (folder / _REQUIREMENTS).exists():
        text = requirements.read_text(encoding="utf-8", errors="replace")
        # The handlers' own side needs NumPy, which SageMaker's images have.
        has_numpy = any(line.strip().lower().startswith("numpy") for line in text.splitlines())
        (folder / _REQUIREMENTS).write_text(text if has_numpy else f"{text.rstrip()}\nnumpy\n", encoding="utf-8")


def _as_artifact(folder: Path, meaning: ImageMeaning) -> AnswerForm:
    """Leave the artifact alone in the folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    artifact = next((folder / name for name in (_XGBOOST, _GRAPH) if (folder / name).is_file()), None)
    if artifact is None and len(files) == 1:
        artifact = files[0]
    if artifact is None:
        names = ", ".join(sorted(path.relative_to(folder).as_posix() for path in files)[:5]) or "nothing"
        raise ModelArchiveInvalidError(
            f"the archive holds {names}, and no '{_XGBOOST}'", hint="A built-in algorithm's model is one file."
        )
    kept = folder.parent / artifact.name
    artifact.rename(kept)
    shutil.rmtree(folder)
    folder.mkdir()
    kept.rename(folder / artifact.name)
    is_softmax = artifact.name == _XGBOOST and _SOFTMAX in (folder / artifact.name).read_bytes()
    return AnswerForm.LABEL if is_softmax else meaning.answers


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
