"""How a sandboxed inspection tells its failure to the process that started it."""

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from modelyard.errors import InternalError, ModelyardError
from modelyard.kit.files import write_atomic

REPORT = "error.json"


def report(folder: Path, inspection: Callable[[], object]) -> int:
    """Run an inspection; its exit code. A failure stands in `error.json` of the folder: `code`, `message`, `hint`."""
    try:
        inspection()
    except ModelyardError as error:
        found = error
    except Exception as error:  # noqa: BLE001 - a strange file meets large libraries: any end of it is told
        found = InternalError(f"inspection failed: {type(error).__name__}: {str(error)[:300]}")
    else:
        return 0
    content = {"code": found.code, "message": found.message, "hint": found.hint}
    write_atomic(folder / REPORT, msgspec.json.encode(content))
    sys.stderr.write(f"{found.code}: {found.message}\n")
    return 1
