"""What discovery answers."""

from dataclasses import dataclass

from modelyard.types.models import ModelVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit:
    """A model version that fits, with the description of its model."""

    version: ModelVersion
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """A part of the versions that fit.

    Attributes:
        items: best first, as the query orders them (newest first if it says nothing).
        next_cursor: asks for the part after it; null: this is the last one.
        query: what was understood, in the query language: a phrase comes back as the query that it stands for.
        notes: what may explain a thin answer ("no version has metrics.acuracy; did you mean metrics.accuracy?").
    """

    items: list[SearchHit]
    next_cursor: str | None
    query: str
    notes: tuple[str, ...] = ()
