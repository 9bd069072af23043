"""Pipelines in files: YAML (or JSON, which is YAML as well), read as data only."""

from pathlib import Path
from typing import Any

from modelyard.errors import InvalidInputError


class DocumentUnreadableError(InvalidInputError):
    """A file that holds no pipeline."""

    code = "pipeline_unreadable"


def read_document(path: Path) -> dict[str, Any]:
    """The document in a file.

    Raises:
        DocumentUnreadableError: there is no such file, or it is no YAML mapping.
    """
    import yaml  # noqa: PLC0415 - every command would wait for it

    try:
        found = yaml.safe_load(path.read_text())
    except OSError as error:
        raise DocumentUnreadableError(
            f"'{path}' cannot be read: {error.strerror}", hint="Name a file that is there."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DocumentUnreadableError(f"'{path}' is no YAML: {error}", hint="Correct the line that it names.") from None
    if not isinstance(found, dict):
        raise DocumentUnreadableError(
            f"'{path}' holds no pipeline", hint="Begin with `name: ...` and `steps:`; the how-to has an example."
        )
    return found
