"""Reads captures joined with truth, batch by batch, without a Python object per inference."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.outputs import standard
from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.columns import concatenated
from modelyard.control.captures.masked import column_masked, is_masked, masked_answers, masked_columns
from modelyard.control.captures.service import CaptureService
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.evaluation.errors import ColumnUnknownError
from modelyard.control.evaluation.frames import Block, Frame, FrameBuilder
from modelyard.control.feedback.service import FeedbackService
from modelyard.drift.features import columns
from modelyard.runtimes.base import Tensors
from modelyard.types.signatures import Scalar, Signature


class EvaluationReader:
    """Reads blocks and frames. Safe from any thread.

    Args:
        captures: the requests with their answers.
        feedback: the truth.
        registry: knows the versions' signatures, which name the columns.
    """

    def __init__(self, captures: CaptureService, feedback: FeedbackService, registry: RegistryClient) -> None:
        self._captures = captures
        self._feedback = feedback
        self._registry = registry

    def signature(self, project: str, version: str) -> Signature:
        """What a version takes and gives. Raises NotFoundError."""
        return self._registry.model_version(project, version).manifest.signature

    def blocks(self, wanted: BatchFilter) -> Iterator[Block]:
        """All wanted rows, the newest batch first; one batch is in memory at a time."""
        for _, table in self._captures.tables(wanted):
            ids = table["id"].to_pylist()
            truths = self._feedback.truths(wanted.project, wanted.endpoint, ids)
            for (version, masked), chosen in _kinds(table).items():
                part = table.take(chosen)
                for places, inputs, outputs in concatenated(part):
                    block = _block(version, part, places, [ids[chosen[p]] for p in places], truths, inputs, outputs)
                    yield replace(block, masked=masked)

    def frame(
        self, wanted: BatchFilter, *, rows: int, column: str | None = None, favourable: str | None = None
    ) -> Frame:
        """The newest rows as columns. If the window holds classifiers and regressors, the kind of the newest.

        Args:
            wanted: which captures.
            rows: so many at most.
            column: also this column's values (of the inputs, or derived from them).
            favourable: also the probability of this class.

        Raises:
            ColumnUnknownError: a version has no such column.
            ColumnMaskedError: the column, or the answers, were hashed or dropped in some of the rows.
            NotFoundError: a version whose column is wanted is not in the registry.
        """
        builder = FrameBuilder(favourable)
        signatures: dict[str, Signature] = {}
        for block in self.blocks(wanted):
            if builder.rows >= rows:
                builder.is_cut = True
                break
            if not block.task or block.task != (builder.task or block.task):
                continue
            if block.version not in signatures:
                signatures[block.version] = self._signature_for(wanted.project, block, column)
            _check_masking(signatures[block.version], block, column)
            values = None if column is None else column_of(signatures[block.version], block.inputs, column)
            builder.add(block, signatures[block.version].class_names, values)
        return builder.frame(rows)

    def _signature_for(self, project: str, block: Block, column: str | None) -> Signature:
        if column is None and not block.masked and "probabilities" not in block.outputs:
            return Signature(inputs=(), outputs=())
        return self.signature(project, block.version)


def column_of(signature: Signature, inputs: Tensors, name: str) -> NDArray[Any]:
    """A column's values, (n,).

    Raises:
        ColumnUnknownError: there is no such column.
    """
    found = {column.name: column.values for column in columns(signature, inputs, {})}
    if name not in found:
        raise column_unknown(name, found)
    return found[name]


def column_unknown(name: str, known: Iterable[str]) -> ColumnUnknownError:
    """The error of a column that is not among those that are known."""
    names = ", ".join(sorted(known)[:30])
    return ColumnUnknownError(
        f"The captured requests have no column '{name[:80]}'", hint=f"There are: {names}.", field="column"
    )


def _check_masking(signature: Signature, block: Block, column: str | None) -> None:
    hidden = masked_answers(signature, block.masked)
    if hidden:
        raise column_masked(hidden, field="window")
    if column is not None and is_masked(column, masked_columns(signature, block.masked)):
        raise column_masked([column], field="column")


def _kinds(table: Any) -> dict[tuple[str, tuple[str, ...]], NDArray[np.intp]]:
    """The places of the inferences of each version whose columns were masked alike."""
    found: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    parts = (table[name].to_pylist() for name in ("model", "number", "masked"))
    for place, (model, number, masked) in enumerate(zip(*parts, strict=True)):
        found.setdefault((f"{model}:{number}", tuple(masked)), []).append(place)
    return {kind: np.array(places, dtype=np.intp) for kind, places in sorted(found.items())}


def _block(
    version: str,
    table: Any,
    places: NDArray[np.intp],
    ids: Sequence[str],
    truths: Mapping[str, list[Scalar | None]],
    inputs: Tensors,
    outputs: Tensors,
) -> Block:
    part = table.take(places)
    counts = part["rows"].to_numpy()
    truth: list[Scalar | None] = []
    for name, count in zip(ids, counts.tolist(), strict=True):
        known = truths.get(name)
        truth.extend(known if known is not None and len(known) == count else [None] * count)
    return Block(
        version=version,
        inputs=inputs,
        outputs=standard(outputs),
        truth=truth,
        at_ns=np.repeat(part["at_ns"].to_numpy(), counts),
        variant=np.repeat(part["variant"].to_numpy(zero_copy_only=False), counts),
    )
