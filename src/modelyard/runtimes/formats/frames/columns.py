"""Pipelines that pick the columns of a data frame by name, on the tensors that requests carry.

A pipeline that was trained on a data frame begins with a ColumnTransformer that names its columns. A request has no
frame but tensors, of numbers and of texts, whose columns have those names. So the transformer is given positions
instead of names, in both forms of the model: as scikit-learn serves it, and as ONNX is made of it.
"""

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelyard.runtimes.base import Tensor, Tensors
from modelyard.runtimes.formats.frames.parts import Part, is_text, known_values, missing_marker, without_markers
from modelyard.types.signatures import DataType, TensorSpec

_UNSEEN = "unseen category"
_ODD_SHARE = 0.05  # of the values in examples


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What a pipeline picks.

    Attributes:
        known: column -> values that the fitted pipeline remembers; of a number, some near its mean. In the order in
            which they are picked: skl2onnx takes a tensor that is picked as a whole in the tensor's own order.
        markers: text column -> what stands for a missing value where the pipeline was trained.
    """

    known: Mapping[str, Tensor]
    markers: Mapping[str, Any]

    def specs(self, lacking: Collection[str] = ()) -> tuple[TensorSpec, ...]:
        """The inputs of a signature: numbers, in 64 bits as in frames, and texts; apart if only some may be missing.

        Args:
            lacking: the columns that may.
        """
        kinds = (("numeric", DataType.FP64, False), ("categorical", DataType.BYTES, True))
        specs = []
        for kind, datatype, is_text_kind in kinds:
            names = [name for name in self.known if (name in self.markers) is is_text_kind]
            for allows_missing in (True, False):
                own = tuple(name for name in names if (name in lacking) is allows_missing)
                name = kind if allows_missing or len(own) == len(names) else f"{kind}_required"
                spec = TensorSpec(
                    name=name, datatype=datatype, shape=(-1, len(own)), columns=own, allows_missing=allows_missing
                )
                specs += [spec] if own else []
        return tuple(specs)

    def table(self, specs: Sequence[TensorSpec], inputs: Mapping[str, Tensor]) -> Tensor:
        """The tensors side by side, `(n, columns)` of objects, missing texts as where the pipeline was trained."""
        parts = []
        for spec in specs:
            if spec.datatype is not DataType.BYTES:
                parts.append(inputs[spec.name].astype(object))
                continue
            texts = inputs[spec.name].astype(object)
            for position, name in enumerate(spec.columns):
                texts[texts[:, position] == "", position] = self.markers[name]
            parts.append(texts)
        return np.concatenate(parts, axis=1)

    def examples(self, specs: Sequence[TensorSpec], rows: int, *, seed: int, has_unseen: bool) -> Tensors:
        """Rows of what the pipeline remembers, with missing values where they may be, and with unseen categories."""
        generator = np.random.default_rng(seed)
        tensors: Tensors = {}
        for spec in specs:
            is_text_kind = spec.datatype is DataType.BYTES
            table = np.stack([generator.choice(self.known[name], rows) for name in spec.columns], axis=1)
            if is_text_kind and has_unseen:
                table[generator.random(table.shape) < _ODD_SHARE] = _UNSEEN
            if spec.allows_missing:
                table[generator.random(table.shape) < _ODD_SHARE] = "" if is_text_kind else np.nan
            tensors[spec.name] = table if is_text_kind else table.astype(np.float64)
        return tensors


def named_columns(estimator: Any) -> Columns | None:
    """The columns that `estimator` picks by name; None if it picks none by name at its beginning."""
    chooser = _chooser(estimator)
    if chooser is None:
        return None
    known: dict[str, Tensor] = {}
    markers: dict[str, Any] = {}
    for _, transformer, picked in _fitted(chooser):
        part, names = Part(transformer, takes_one_text=isinstance(picked, str)), _names(chooser, picked)
        for position, name in enumerate(names):
            if is_text(part, position):
                markers.setdefault(name, missing_marker(part, position))
            known.setdefault(name, known_values(part, position, len(names)))
    return Columns(known=known, markers=markers)


def by_position(estimator: Any, columns: Columns, specs: Sequence[TensorSpec], *, is_for_onnx: bool = False) -> Any:
    """A copy of `estimator` that takes the columns of `specs` side by side, and picks them by their positions.

    Args:
        estimator: fitted; it stays as it is.
        columns: what `named_columns` found.
        specs: the inputs of its signature.
        is_for_onnx: an empty text is what is missing, as in requests. Else parts that take nothing but numbers get
            numbers, as they would out of a frame, and not the objects of a table with texts in it.
    """
    if hasattr(estimator, "steps"):
        copied = copy.copy(estimator)
        (name, first), *rest = estimator.steps
        copied.steps = [(name, by_position(first, columns, specs, is_for_onnx=is_for_onnx)), *rest]
        return copied
    copied = copy.deepcopy(estimator) if is_for_onnx else copy.copy(estimator)
    places = {name: place for place, name in enumerate(name for spec in specs for name in spec.columns)}
    placed = []
    for name, transformer, picked in _fitted(copied):
        names = _names(copied, picked)
        positions = [places[column] for column in names]
        if is_for_onnx:
            without_markers(transformer)
        elif columns.markers.keys().isdisjoint(names):
            transformer = _of_numbers(transformer)  # noqa: PLW2901 - the part with what goes before it
        placed.append((name, transformer, positions[0] if isinstance(picked, str) else positions))
    copied.transformers_ = placed
    copied.n_features_in_ = len(places)
    del copied.feature_names_in_
    return copied


def _chooser(estimator: Any) -> Any:
    """The ColumnTransformer that the frame comes to first, if it was fitted on named columns and picks by name."""
    if hasattr(estimator, "steps"):
        return _chooser(estimator.steps[0][1])
    if not hasattr(estimator, "transformers_") or not hasattr(estimator, "feature_names_in_"):
        return None
    return estimator if any(map(picks_by_name, estimator.transformers_)) else None


def picks_by_name(fitted: tuple[str, Any, Any]) -> bool:
    """True if an entry of a ColumnTransformer names its columns."""
    picked = fitted[2]
    if isinstance(picked, slice):
        return isinstance(picked.start, str) or isinstance(picked.stop, str)
    return any(isinstance(name, str) for name in np.atleast_1d(np.asarray(picked)))


def _fitted(chooser: Any) -> Iterator[tuple[str, Any, Any]]:
    """The transformers that take anything, with what they pick."""
    for name, transformer, picked in chooser.transformers_:
        if not (isinstance(transformer, str) and transformer == "drop") and _names(chooser, picked):
            yield name, transformer, picked


def _names(chooser: Any, picked: Any) -> list[str]:
    """Names of the columns that a selection means: names, positions, a slice or a mask."""
    every = chooser.feature_names_in_
    if isinstance(picked, slice) and picks_by_name(("", None, picked)):
        order = {name: place for place, name in enumerate(every)}
        stop = None if picked.stop is None else order[picked.stop] + 1  # both ends of a slice of names belong to it
        picked = slice(None if picked.start is None else order[picked.start], stop, picked.step)
    if isinstance(picked, slice):
        return [str(name) for name in every[picked]]
    chosen = np.atleast_1d(np.asarray(picked))
    is_named = chosen.dtype.kind in "OU"
    return [str(name) for name in (chosen if is_named or not chosen.size else every[chosen])]


def _of_numbers(transformer: Any) -> Any:
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - 2.3 s, needed by this format only
    from sklearn.preprocessing import FunctionTransformer  # noqa: PLC0415 - the same

    return make_pipeline(FunctionTransformer(_as_float64), transformer)


def _as_float64(block: Tensor) -> Tensor:
    return block.astype(np.float64)
