"""Two versions of an endpoint on the same captured requests: what each answered then, or answers now."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.challenge import challenge
from modelyard.algorithms.evaluation.slices import slice_rows
from modelyard.algorithms.explanations.shapley import OutOfTimeError
from modelyard.control.captures.masked import column_masked, masked_answers, masked_inputs
from modelyard.control.evaluation.asking import AskedVariant, RunningModels
from modelyard.control.evaluation.errors import NothingCapturedError
from modelyard.control.evaluation.frames import Block
from modelyard.control.evaluation.reading import EvaluationReader, column_unknown
from modelyard.control.evaluation.service import Window
from modelyard.control.feedback.service import EndpointReader, label
from modelyard.drift.features import columns
from modelyard.kit.clock import Clock
from modelyard.runtimes.base import Tensors
from modelyard.types.evaluation.reports import EndpointComparison
from modelyard.types.signatures import Scalar

_MOST_COLUMNS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Who is compared, and how.

    Attributes:
        challenger: a variant or version that runs.
        champion: likewise; None: the variant with the most traffic.
        slices: columns to look for worse slices in; None: the first 30.
        bins: quantile bins of a column of numbers.
        minimum_rows: fewer labelled rows give no difference, in the whole and in a slice.
        seconds: how long it may take; then the rows that both have answered count.
    """

    challenger: str
    champion: str | None = None
    slices: tuple[str, ...] | None = None
    bins: int = 4
    minimum_rows: int = 30
    seconds: float = 60.0


class ComparisonService:
    """Compares. Safe from any thread."""

    def __init__(
        self, reader: EvaluationReader, running: RunningModels, endpoints: EndpointReader, clock: Clock
    ) -> None:
        self._reader = reader
        self._running = running
        self._endpoints = endpoints
        self._clock = clock

    def compare(self, project: str, endpoint: str, window: Window, match: Match) -> EndpointComparison:
        """Champion against challenger on the newest captured rows of the window.

        An answer that one of them gave at the time is taken as it was captured; the others are asked for now.

        Raises:
            NotFoundError: no such endpoint, variant or version.
            WindowInvalidError, TimeRangeInvalidError: the window makes no sense.
            NothingCapturedError: no captured request was answered by both.
            ColumnUnknownError: there is no such column.
            ColumnMaskedError: inputs of all these requests were hashed or dropped.
            UnavailableError: no replica of a version answers now.
        """
        self._endpoints.get(project, endpoint)
        wanted = window.filter(project, endpoint, self._clock.now())
        pairs = _Pairs(match.slices)
        with (
            self._running.ask(project, endpoint, match.champion, match.seconds) as champion,
            self._running.ask(project, endpoint, match.challenger, match.seconds) as challenger,
        ):
            for block in self._reader.blocks(wanted):
                left = window.rows - pairs.rows
                if left <= 0 or not self._add(pairs, block, champion, challenger, left):
                    pairs.is_cut = True
                    break
                pairs.is_cut = len(block.truth) > left
        if not pairs.rows and pairs.masked:
            raise column_masked(pairs.masked, field="window")
        if not pairs.rows:
            raise NothingCapturedError(
                f"No captured request of endpoint '{endpoint}' in this window was answered by both versions",
                hint="Take a longer window or more seconds; both must take the inputs of the captured requests.",
            )
        found = challenge(
            pairs.joined(pairs.first),
            pairs.joined(pairs.second),
            np.concatenate(pairs.truth),
            slices={name: slice_rows(np.concatenate(parts), match.bins) for name, parts in pairs.columns.items()},
            minimum_rows=match.minimum_rows,
        )
        return EndpointComparison(
            endpoint=endpoint,
            champion=champion.version,
            challenger=challenger.version,
            is_cut=pairs.is_cut,
            challenge=found,
            masked_rows=pairs.masked_rows,
            masked=tuple(sorted(pairs.masked)),
        )

    def _add(self, pairs: "_Pairs", block: Block, champion: AskedVariant, challenger: AskedVariant, rows: int) -> bool:
        """Both answers to a block, the newest rows first; False when the time is over."""
        names = set(block.inputs)
        if any({spec.name for spec in each.signature.inputs} != names for each in (champion, challenger)):
            return True
        hidden = masked_inputs(champion.signature, block.masked)
        if hidden:  # one of the two would be asked about something that nobody sent
            pairs.leave_out(block, hidden)
            return True
        for part in _parts(block, rows):
            try:
                first, second = _answers(champion, part), _answers(challenger, part)
            except OutOfTimeError:
                return False
            pairs.add(part, first, second, champion)
        return True


@dataclass(slots=True)
class _Pairs:
    """Grows by parts of blocks."""

    wanted: Sequence[str] | None
    rows: int = 0
    is_cut: bool = False
    first: list[Tensors] = field(default_factory=list)
    second: list[Tensors] = field(default_factory=list)
    truth: list[NDArray[Any]] = field(default_factory=list)
    columns: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    masked: set[str] = field(default_factory=set)
    masked_rows: int = 0

    def leave_out(self, block: Block, hidden: Sequence[str]) -> None:
        self.masked.update(hidden)
        self.masked_rows += len(block.truth)

    def add(self, block: Block, first: Tensors, second: Tensors, champion: AskedVariant) -> None:
        self.rows += len(block.truth)
        self.first.append(first)
        self.second.append(second)
        read = label if "label" in first else _number
        truth = np.empty(len(block.truth), dtype=object)
        truth[:] = [read(value) for value in block.truth]
        self.truth.append(truth)
        found = {column.name: column.values for column in columns(champion.signature, block.inputs, {})}
        for name in self.wanted if self.wanted is not None else [*found][:_MOST_COLUMNS]:
            if name not in found:
                raise column_unknown(name, found)
            self.columns.setdefault(name, []).append(found[name])

    def joined(self, parts: Sequence[Tensors]) -> Tensors:
        names = set.intersection(*(set(part) for part in parts))
        return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _parts(block: Block, rows: int) -> Iterator[Block]:
    """The newest rows, in pieces so small that the time is looked at often."""
    step = 2048
    count = len(block.truth)
    for end in range(count, max(0, count - rows), -step):
        start = max(0, count - rows, end - step)
        yield Block(
            version=block.version,
            inputs={name: tensor[start:end] for name, tensor in block.inputs.items()},
            outputs={name: tensor[start:end] for name, tensor in block.outputs.items()},
            truth=block.truth[start:end],
            at_ns=block.at_ns[start:end],
            variant=block.variant[start:end],
            masked=block.masked,
        )


def _answers(model: AskedVariant, block: Block) -> Tensors:
    if block.version == model.version and block.task and not masked_answers(model.signature, block.masked):
        return block.outputs
    if model.is_time_up:
        raise OutOfTimeError
    return model.infer(block.inputs)


def _number(value: Scalar | None) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None
