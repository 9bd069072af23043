"""The format of an artifact by its content, not its name. Reads the head only, runs nothing from the file."""

import pickletools
import struct
import zipfile
from pathlib import Path

from modelyard.errors import TooLargeError
from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.types.models import ArtifactFormat

MAX_UNPACKED_BYTES = 8 << 30
MAX_COMPRESSION = 200
MAX_ENTRIES = 20_000
_HEAD_BYTES = 4096
_GGUF = b"GGUF"
_KNOWN = "ONNX, skops, XGBoost (JSON or UBJ), LightGBM (text), CatBoost (cbm) or GGUF"
_WAY_OUT = (
    "Save it as data instead: ONNX (skl2onnx.to_onnx, torch.onnx.export), skops.io.dump for scikit-learn, "
    "save_model('model.ubj') for XGBoost, save_model('model.txt') for LightGBM."
)


class PickleRefusedError(ArtifactInvalidError):
    """A pickle runs code when it is loaded, so none is taken."""

    code = "pickle_refused"


class ArtifactArchiveUnsafeError(TooLargeError):
    """An archive that would unpack to far more than it is (a zip bomb), or outside its folder."""

    code = "artifact_archive_unsafe"


def is_gguf(path: Path) -> bool:
    """True for a file that begins like GGUF."""
    with path.open("rb") as file:
        return file.read(len(_GGUF)) == _GGUF


def sniff(path: Path) -> ArtifactFormat:
    """The format of the file at `path`.

    Raises:
        PickleRefusedError: it is a pickle, a joblib file or a PyTorch checkpoint; the hint has the way out.
        ArtifactArchiveUnsafeError: it is an archive that would unpack to more than it may.
        ArtifactInvalidError: it is empty, damaged or of no known format.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise ArtifactInvalidError("the artifact is empty", hint="Check that the file was written completely.")
    if head.startswith(b"PK\x03\x04"):
        return _sniff_archive(path)
    _refuse_pickle(head)
    if head.startswith(_GGUF):
        return ArtifactFormat.GGUF
    if head.startswith(b"tree\n") and b"version=v" in head:
        return ArtifactFormat.LIGHTGBM
    if head.startswith(b"CBM1"):
        return ArtifactFormat.CATBOOST
    if _is_xgboost(path, head):
        return ArtifactFormat.XGBOOST
    if _is_onnx(path, head):
        return ArtifactFormat.ONNX
    if _is_text_pickle(head):
        raise _pickle("a pickle")
    raise ArtifactInvalidError(f"the artifact is not {_KNOWN}, or it is damaged", hint=_WAY_OUT)


def check_archive(path: Path) -> list[str]:
    """Names in a zip file that is safe to unpack.

    Raises:
        ArtifactArchiveUnsafeError: too many entries, too large unpacked, or a name that leaves the folder.
        ArtifactInvalidError: it is no readable zip file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, struct.error) as error:
        raise ArtifactInvalidError(f"the archive is damaged: {error}", hint="Upload the file again.") from error
    unpacked = sum(entry.file_size for entry in entries)
    limit = min(MAX_UNPACKED_BYTES, max(path.stat().st_size, 1 << 20) * MAX_COMPRESSION)
    if len(entries) > MAX_ENTRIES or unpacked > limit:
        raise ArtifactArchiveUnsafeError(
            f"the archive of {path.stat().st_size} bytes holds {len(entries)} entries of {unpacked} bytes, "
            f"{MAX_ENTRIES} entries and {limit} bytes are allowed",
            hint="Save the model uncompressed.",
        )
    for entry in entries:
        if entry.filename.startswith(("/", "\\")) or ".." in Path(entry.filename).parts:
            raise ArtifactArchiveUnsafeError(
                f"the archive holds '{entry.filename[:200]}', which leaves its folder", hint="Save the model again."
            )
    return [entry.filename for entry in entries]


def _sniff_archive(path: Path) -> ArtifactFormat:
    names = check_archive(path)
    if any(name.endswith((".pkl", ".pickle", ".joblib")) for name in names):
        raise _pickle("a zip file with a pickle inside (a PyTorch checkpoint?)")
    if "schema.json" in names:
        return ArtifactFormat.SKOPS
    raise ArtifactInvalidError(f"a zip file that is no skops model; {_KNOWN} is taken", hint=_WAY_OUT)


def _refuse_pickle(head: bytes) -> None:
    is_binary = head[0] == 0x80 and len(head) > 1 and head[1] <= 5  # noqa: PLR2004 - PROTO opcode, protocols 0 to 5
    if is_binary:
        raise _pickle("a pickle")
    compressed = (
        b"\x1f\x8b",
        b"BZh",
        b"\xfd7zXZ",
        b"\x78\x01",
        b"\x78\x5e",
        b"\x78\x9c",
        b"\x78\xda",
        b"\x5d\x00\x00",
        b"\x04\x22\x4d",
    )
    if head.startswith(compressed):
        raise _pickle("a compressed file, most likely a joblib pickle")
    if head.startswith(b"\x89HDF"):
        raise ArtifactInvalidError(f"the artifact is HDF5 (Keras?); {_KNOWN} is taken", hint="Export it with tf2onnx.")


def _is_text_pickle(head: bytes) -> bool:
    """Protocols 0 and 1 have no mark of their own: three opcodes in a row are taken for one. Reads, never runs."""
    opcodes = 0
    try:
        for _ in pickletools.genops(head):
            opcodes += 1
    except ValueError:
        return opcodes >= 3  # noqa: PLR2004 - the head may end inside the pickle
    return True


def _pickle(what: str) -> PickleRefusedError:
    return PickleRefusedError(f"the artifact is {what}; loading a pickle runs whatever code is in it", hint=_WAY_OUT)


def _is_xgboost(path: Path, head: bytes) -> bool:
    """JSON or UBJSON with the top-level keys "learner" and "version", in either order."""
    if head[:1] != b"{" or not (b'"' in head[:16] or head[1:2] in b"LliIU#"):
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _HEAD_BYTES))
        tail = file.read()
    return b"learner" in head[:64] or (b"version" in head[:64] and b"learner" in head + tail)


def _is_onnx(path: Path, head: bytes) -> bool:
    """Walk the top level of a protobuf ModelProto: only its fields, and a graph that ends where the file does.

    Source: onnx.proto, message ModelProto (graph = 7, wire type 2).
    """
    if head[0] not in b"\x08\x12\x3a":
        return False
    size, position, has_graph = path.stat().st_size, 0, False
    with path.open("rb") as file:
        while position < size:
            file.seek(position)
            chunk = file.read(20)
            key, used = _varint(chunk)
            value, value_used = _varint(chunk[used:])
            field, wire = key >> 3, key & 7
            if not used or not value_used or wire not in (0, 2) or not (1 <= field <= 40):  # noqa: PLR2004
                return False
            has_graph |= field == 7  # noqa: PLR2004 - ModelProto.graph
            position += used + value_used + (value if wire else 0)
    return has_graph and position == size


def _varint(data: bytes) -> tuple[int, int]:
    """The number and how many bytes it took; (0, 0) if there is none."""
    number = 0
    for index, byte in enumerate(data[:10]):
        number |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return number, index + 1
    return 0, 0
