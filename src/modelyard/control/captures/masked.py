"""Which columns of captures masking has taken: what was hashed or dropped is nothing to judge a model by."""

from collections.abc import Collection

from modelyard.control.captures.errors import ColumnMaskedError
from modelyard.drift.features import CONFIDENCE, PROBABILITY
from modelyard.types.signatures import Signature

_DERIVED = {
    "images": ("image",),
    "label": ("prediction.label",),
    "probabilities": (CONFIDENCE, PROBABILITY.rstrip(".")),
}
"""What `drift.features` calls the columns of a tensor, where that is not the tensor's name."""


def masked_columns(signature: Signature, masked: Collection[str]) -> frozenset[str]:
    """The masked names, and the columns of tensors that were masked whole."""
    found = set(masked)
    for spec in signature.inputs:
        if spec.name in masked:
            found.update(spec.columns)
    for name in masked:
        found.update((*_DERIVED.get(name, ()), f"output.{name}"))
    return frozenset(found)


def is_masked(column: str, masked: Collection[str]) -> bool:
    """Whether a column is one of these or made of one: "comment.length" is of "comment"."""
    return any(column == name or column.startswith(f"{name}.") for name in masked)


def masked_inputs(signature: Signature, masked: Collection[str]) -> tuple[str, ...]:
    """Those of the names that the model takes."""
    taken = {name for spec in signature.inputs for name in (spec.name, *spec.columns)}
    return tuple(sorted(taken & set(masked)))


def masked_answers(signature: Signature, masked: Collection[str]) -> tuple[str, ...]:
    """Those of the names that the model gives and does not take."""
    given = {name for spec in signature.outputs for name in (spec.name, *spec.columns)}
    return tuple(sorted((given & set(masked)) - set(masked_inputs(signature, masked))))


def column_masked(names: Collection[str], *, field: str) -> ColumnMaskedError:
    """The error of columns that were asked for and are masked."""
    listed = ", ".join(f"'{name[:80]}'" for name in sorted(names)[:10])
    is_one = len(names) == 1
    return ColumnMaskedError(
        f"{'Column' if is_one else 'Columns'} {listed} {'is' if is_one else 'are'} personal: the values were hashed or "
        "dropped before these requests were recorded",
        hint="Ask about another column, or about requests that were recorded while it was not personal.",
        field=field,
    )
