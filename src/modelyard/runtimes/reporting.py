"""How a program that meets strangers' models says in one file why it did not do what it was asked for."""

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from modelyard.errors import InternalError, ModelyardError
from modelyard.kit.files import write_atomic


def reported(work: Callable[[], object], output: Path, what: str) -> int:
    """Do the work; the exit code. On failure `error.json` in `output` has `code`, `message` and `hint`."""
    try:
        work()
    except ModelyardError as error:
        found = error
    except Exception as error:  # noqa: BLE001 - large libraries meet a strange file: any end of it is told
        found = InternalError(f"{what} failed: {type(error).__name__}: {str(error)[:300]}")
    else:
        return 0
    report = {"code": found.code, "message": found.message, "hint": found.hint}
    write_atomic(output / "error.json", msgspec.json.encode(report))
    sys.stderr.write(f"{found.code}: {found.message}\n")
    return 1
