"""What discovery can find a version by: values per field and words, derived from its manifest when it is registered."""

from collections.abc import Iterator
from dataclasses import dataclass

from modelyard.control.models.tables import MAXIMUM_FACT_TEXT
from modelyard.types.models import Lineage, Manifest, ModelCard
from modelyard.types.signatures import Scalar, TensorSpec

_MAXIMUM_FIELD = 300
_MAXIMUM_WORDS = 20_000
_HOLDOUT = "holdout"


@dataclass(frozen=True, slots=True)
class Fact:
    """One value of one field; `position` tells the values of a field apart."""

    field: str
    position: int
    text: str | None
    number: float | None


def fold(text: str) -> str:
    """How text is compared: without case, and without the one character that PostgreSQL cannot store."""
    return text.replace("\0", " ").casefold()


def fold_value(text: str) -> str:
    """`fold`, cut to what a fact holds."""
    return fold(text)[:MAXIMUM_FACT_TEXT]


def facts_of(manifest: Manifest, lineage: Lineage) -> list[Fact]:
    """Every fact of a version. Equal (field, position) pairs do not occur."""
    positions: dict[str, int] = {}
    facts = []
    for name, value in _values(manifest, lineage):
        field = name[:_MAXIMUM_FIELD]
        positions[field] = positions.get(field, -1) + 1
        facts.append(_fact(field, positions[field], value))
    return facts


def version_words(manifest: Manifest) -> str:
    """The text of a version that `text ~` looks into."""
    card = manifest.card
    words = (
        card.task,
        card.task.replace("-", " "),
        card.description,
        card.intended_use,
        card.limitations,
        card.algorithm,
        card.licence,
        *card.tags,
        *(f"{key} {value}" for key, value in card.custom.items()),
        *(reference.dataset for reference in card.training_data),
        *manifest.signature.class_names,
    )
    return fold("\n".join(words))[:_MAXIMUM_WORDS]


def model_words(name: str, description: str, tags: tuple[str, ...]) -> str:
    """The text of a model that `text ~` looks into."""
    return fold("\n".join((name, description, *tags)))[:_MAXIMUM_WORDS]


def _values(manifest: Manifest, lineage: Lineage) -> Iterator[tuple[str, Scalar]]:
    card = manifest.card
    yield "task", card.task
    yield "format", manifest.artifact_format
    yield from ((name, value) for name, value in (("algorithm", card.algorithm), ("licence", card.licence)) if value)
    yield from (("tags", tag) for tag in card.tags)
    yield from (
        ("dataset", name) for name in sorted({data.dataset for data in (*lineage.datasets, *card.training_data)})
    )
    yield from _metrics(card)
    yield from ((f"hyperparameters.{fold(key)}", value) for key, value in _last_wins(card.hyperparameters).items())
    yield from ((f"custom.{fold(key)}", value) for key, value in _last_wins(card.custom).items())
    yield from _tensors("signature.inputs", manifest.signature.inputs)
    yield from _tensors("signature.outputs", manifest.signature.outputs)


def _metrics(card: ModelCard) -> Iterator[tuple[str, Scalar]]:
    """`metrics.accuracy` is measured on held-out rows; figures of other splits are `metrics.accuracy.train`."""
    values = {
        f"metrics.{fold(metric.name)}" + ("" if metric.split == _HOLDOUT else f".{fold(metric.split)}"): metric.value
        for metric in card.metrics
    }
    yield from values.items()


def _last_wins(values: dict[str, Scalar]) -> dict[str, Scalar]:
    """Keys that differ only in case are one field: sorting by a field needs one value."""
    return {fold(key)[:200]: value for key, value in values.items()}


def _tensors(field: str, specs: tuple[TensorSpec, ...]) -> Iterator[tuple[str, Scalar]]:
    yield field, len(specs)
    yield from ((field, spec.name) for spec in specs)
    yield from ((f"{field}.datatype", datatype) for datatype in sorted({spec.datatype for spec in specs}))


def _fact(field: str, position: int, value: Scalar) -> Fact:
    if isinstance(value, bool):
        return Fact(field, position, "true" if value else "false", None)
    if isinstance(value, str):
        return Fact(field, position, fold_value(value), None)
    return Fact(field, position, None, float(value))
