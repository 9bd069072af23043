"""The fields a query may name: what they hold, which operators they take, whether they can be sorted by."""

from dataclasses import dataclass
from enum import StrEnum

from modelyard.control.models.discovery.syntax import Operator

_TEXT_OPERATORS = frozenset({Operator.EQUAL, Operator.NOT_EQUAL, Operator.CONTAINS, Operator.IN})
_NUMBER_OPERATORS = frozenset(Operator) - {Operator.CONTAINS}
_TIME_OPERATORS = frozenset({Operator.GREATER, Operator.GREATER_OR_EQUAL, Operator.LESS, Operator.LESS_OR_EQUAL})


class FieldKind(StrEnum):
    """What a field holds. SCALAR holds text, numbers or booleans: the literal in the query decides which."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"
    SCALAR = "scalar"
    WORDS = "words"


_OPERATORS = {
    FieldKind.TEXT: _TEXT_OPERATORS,
    FieldKind.NUMBER: _NUMBER_OPERATORS,
    FieldKind.TIME: _TIME_OPERATORS,
    FieldKind.SCALAR: frozenset(Operator),
    FieldKind.WORDS: frozenset({Operator.CONTAINS}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field, or one family of fields (`metrics.<name>`) when `is_open`."""

    name: str
    kind: FieldKind
    description: str
    example: str
    is_open: bool = False
    is_sortable: bool = False

    @property
    def operators(self) -> frozenset[Operator]:
        """Operators that make sense for its kind."""
        return _OPERATORS[self.kind]

    @property
    def title(self) -> str:
        """How it is written: `metrics.<name>` for a family."""
        return f"{self.name}.<name>" if self.is_open else self.name


FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        Field(
            name="task",
            kind=FieldKind.TEXT,
            is_sortable=True,
            description="What the model does.",
            example='task = "image-classification"',
        ),
        Field(
            name="name",
            kind=FieldKind.TEXT,
            is_sortable=True,
            description="The model's name.",
            example='name ~ "digit"',
        ),
        Field(
            name="number",
            kind=FieldKind.NUMBER,
            is_sortable=True,
            description="The version's number.",
            example="number >= 2",
        ),
        Field(
            name="tags",
            kind=FieldKind.TEXT,
            description="Tags of the model and of the version's card; true if one of them fits.",
            example='tags = "vision"',
        ),
        Field(
            name="algorithm",
            kind=FieldKind.TEXT,
            is_sortable=True,
            description="The algorithm that trained it.",
            example='algorithm in ("xgboost", "linear")',
        ),
        Field(
            name="licence",
            kind=FieldKind.TEXT,
            is_sortable=True,
            description="Licence named in the card.",
            example='licence ~ "apache"',
        ),
        Field(
            name="format",
            kind=FieldKind.TEXT,
            is_sortable=True,
            description="Format of the artifact that is served.",
            example='format = "onnx"',
        ),
        Field(
            name="dataset",
            kind=FieldKind.TEXT,
            description="Datasets that it was made of.",
            example='dataset = "digits"',
        ),
        Field(
            name="text",
            kind=FieldKind.WORDS,
            description="Words anywhere in the name, descriptions, tags and free fields.",
            example='text ~ "handwritten digits"',
        ),
        Field(
            name="metrics",
            kind=FieldKind.NUMBER,
            is_open=True,
            is_sortable=True,
            description="A figure measured on held-out rows.",
            example="metrics.accuracy >= 0.95",
        ),
        Field(
            name="hyperparameters",
            kind=FieldKind.SCALAR,
            is_open=True,
            is_sortable=True,
            description="A hyper-parameter that it was trained with.",
            example="hyperparameters.epochs < 20",
        ),
        Field(
            name="custom",
            kind=FieldKind.SCALAR,
            is_open=True,
            is_sortable=True,
            description="A free field of the card.",
            example='custom.team = "vision"',
        ),
        Field(
            name="signature.inputs",
            kind=FieldKind.SCALAR,
            description="Names of the input tensors; compared with a number, how many there are.",
            example='signature.inputs = "images" and signature.inputs = 1',
        ),
        Field(
            name="signature.inputs.datatype",
            kind=FieldKind.TEXT,
            description="Data types of the input tensors.",
            example='signature.inputs.datatype = "FP32"',
        ),
        Field(
            name="signature.outputs",
            kind=FieldKind.SCALAR,
            description="Names of the output tensors; compared with a number, how many there are.",
            example='signature.outputs = "probabilities"',
        ),
        Field(
            name="created_at",
            kind=FieldKind.TIME,
            is_sortable=True,
            description="When the version was registered (UTC).",
            example='created_at >= "2026-01-31"',
        ),
        Field(
            name="size_bytes",
            kind=FieldKind.NUMBER,
            is_sortable=True,
            description="Size of all its files.",
            example="size_bytes < 10MB",
        ),
        Field(name="alias", kind=FieldKind.TEXT, description="Aliases that point to it.", example='alias = "champion"'),
        Field(
            name="endpoint",
            kind=FieldKind.TEXT,
            description="Endpoints that serve it now.",
            example='endpoint = "digits-live"',
        ),
    )
}

SYNONYMS = {"license": "licence", "model": "name", "tag": "tags", "endpoints": "endpoint", "aliases": "alias"}


def titles() -> str:
    """All fields in one line, for hints."""
    return ", ".join(field.title for field in FIELDS.values())
