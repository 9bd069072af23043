"""Rules of models: what may be changed, what may be deleted, and how versions are found by name."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from modelyard.control.models.contents import BundleContents
from modelyard.control.models.errors import (
    AliasNotFoundError,
    ModelExistsError,
    ModelFileNotFoundError,
    ModelInUseError,
    ModelNotFoundError,
    ModelVersionNotFoundError,
)
