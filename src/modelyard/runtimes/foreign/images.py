"""`image.json`: the image that a model is, and how it is started beside the worker that asks it.

Source: SageMaker Developer Guide, "Use Your Own Inference Code with Hosting Services": /ping and /invocations on port
8080, the model's files in /opt/ml/model.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import msgspec

from modelyard.kit.files import write_atomic
from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.types.processes import Mount, Resources, Sidecar

IMAGE = "image.json"
_MODEL_FOLDER = "/opt/ml/model"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageProgram:
    """`image.json`.

    Attributes:
        image: reference: "registry.example.com/scorer:3".
        digest: what the reference meant when the version was registered, by its content; written then.
        command: arguments; empty: what the image says. Images for SageMaker take ["serve"].
        environment: added to the image's own.
        content_type: what /invocations takes and gives; "*/*": bodies go through as they are.
        port: where it listens.
        start_seconds: how long it may take until /ping answers 200.
    """

    image: str
    digest: str = ""
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    content_type: Literal["application/json", "text/csv", "*/*"] = "application/json"
    port: int = 8080
    start_seconds: float = 60.0


def read_image(artifact: Path) -> ImageProgram:
    """The content of an `image.json`.

    Raises:
        ArtifactInvalidError: it is damaged.
    """
    try:
        program = msgspec.json.decode(artifact.read_bytes(), type=ImageProgram)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ArtifactInvalidError(
            f"'{IMAGE}' is not valid: {error}", hint='It is like {"image": "registry.example.com/scorer:3"}.'
        ) from error
    if not program.image.strip():
        raise ArtifactInvalidError(f"'{IMAGE}' names no image", hint='Add "image".')
    return program


def pin(bundle: Path, resolve: Callable[[str], str]) -> None:
    """Write into the bundle what its image means now.

    Args:
        bundle: folder with an `image.json`, which is rewritten.
        resolve: a reference to what names its content.

    Raises:
        ArtifactInvalidError: `image.json` is damaged.
        ModelyardError: what `resolve` raises.
    """
    program = read_image(bundle / IMAGE)
    pinned = replace(program, digest=resolve(program.digest or program.image))
    write_atomic(bundle / IMAGE, msgspec.json.format(msgspec.json.encode(pinned), indent=1) + b"\n")


def sidecar_of(bundle: Path, resources: Resources) -> Sidecar:
    """The container that the model in this bundle is.

    Raises:
        ArtifactInvalidError: `image.json` is damaged.
    """
    program = read_image(bundle / IMAGE)
    port = str(program.port)
    told = {"PORT": port, "SAGEMAKER_BIND_TO_PORT": port, "SM_MODEL_DIR": _MODEL_FOLDER}
    return Sidecar(
        image=program.digest or program.image,
        command=program.command,
        environment={**told, **program.environment},
        mounts=(Mount(path=str(bundle), target=_MODEL_FOLDER),),
        resources=resources,
    )
