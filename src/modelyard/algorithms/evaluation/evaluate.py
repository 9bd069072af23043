"""The evaluation job: every candidate on the held-out rows of every channel, and the second against the first."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.base import Channel, TrainingContext
from modelyard.algorithms.bundles import predict
from modelyard.algorithms.errors import ChannelInvalidError, TooFewRowsError
from modelyard.algorithms.evaluation.figures import metric_figures
from modelyard.algorithms.evaluation.margins import to_figures
from modelyard.algorithms.evaluation.metrics import measure
from modelyard.algorithms.evaluation.paired import compare, evidence, scores
from modelyard.algorithms.evaluation.series.windows import held_out_windows
from modelyard.algorithms.evaluation.worst_slices import slices, worst_slice
from modelyard.algorithms.jobfile import JobFile
from modelyard.algorithms.preparation.split import take
from modelyard.algorithms.tables.loading import find_target, rows_with, target_values
from modelyard.algorithms.tables.tensors import to_tensors
from modelyard.data.holdout import HOLDOUT_SHARE, held_out_mask_images, held_out_mask_table
from modelyard.data.images import read_images
from modelyard.data.tables import read_table
from modelyard.errors import InvalidInputError
from modelyard.runtimes.base import Predictor, Tensors
from modelyard.runtimes.bundle import load_bundle
from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import SLICE_BOUND
from modelyard.types.models import Manifest, Task
from modelyard.types.signatures import Scalar, Signature

Figures = dict[str, float | str]

_SLICE_BOUND = 0.05
_IMAGE_FORMATS = (DatasetFormat.NPZ, DatasetFormat.IMAGE_FOLDER)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    ref: str
    manifest: Manifest
    predictor: Predictor

    @property
    def task(self) -> str:
        return self.manifest.card.task


def evaluate(job: JobFile, context: TrainingContext) -> Figures:
    """Figures "<channel>/<ref>/<metric>", "/low", "/high" and "/n"; none that is no finite number.

    With two or more candidates also, of the second against the first, below "<channel>/paired/": "difference" (above 0:
    the second is better), "p_value", and what margins.from_figures reads; and below "<channel>/slice/", as in
    slices.WorstSlice, where it loses most. Held out is what no candidate has trained on: the smallest of their
    held-out shares.

    Raises:
        ChannelInvalidError: a channel does not hold data of the candidates' kind.
        TooFewRowsError: a channel has no held-out rows.
        InvalidInputError: a damaged bundle, or a table without the columns of a candidate.
    """
    candidates = [_load(ref, job, context) for ref in job.candidates]
    if not candidates or not job.channels:
        raise InvalidInputError("There is nothing to evaluate", hint="Name at least one candidate and one channel.")
    share = min(_share(candidate.manifest.card.hyperparameters) for candidate in candidates)
    bound = job.recipe.hyperparameters.get(SLICE_BOUND, _SLICE_BOUND)
    figures: Figures = {}
    for role, channel in job.channels.items():
        figures.update(_evaluate_channel(role, channel, candidates, share, float(bound), context))
    return {name: value for name, value in figures.items() if isinstance(value, str) or math.isfinite(value)}


def _evaluate_channel(
    role: str, channel: Channel, candidates: list[_Candidate], share: float, bound: float, context: TrainingContext
) -> Figures:
    figures: Figures = {}
    answered: list[tuple[Tensors, Tensors]] = []
    truth: NDArray[Any] = np.zeros(0)
    for candidate in candidates:
        inputs, truth = _of_candidate(role, channel, candidate, share, context.target)
        answered.append((inputs, predict(candidate.predictor, inputs)))
        metrics = measure(candidate.task, answered[-1][1], truth, candidate.manifest.signature.class_names)
        figures.update(metric_figures(metrics, f"{role}/{candidate.ref}/"))
        first = metrics[0]
        context.log(f"{candidate.ref} on {len(truth):,} held-out rows of '{role}': {first.name} {first.value:.4f}")
    if len(candidates) > 1:
        if len({len(next(iter(outputs.values()))) for _, outputs in answered[:2]}) > 1:
            raise ChannelInvalidError(
                f"The candidates look back by different lengths, so that channel '{role}' asks them at different times",
                hint="Compare forecasters of the same window and horizon.",
                field=f"channels.{role}",
            )
        compared = _compare(candidates[0].task, candidates[1], answered, truth, bound)
        figures |= {f"{role}/{name}": value for name, value in compared.items()}
    return figures


def _compare(
    task: str, second: _Candidate, answered: list[tuple[Tensors, Tensors]], truth: NDArray[Any], bound: float
) -> Figures:
    """The second candidate beside the first: as a whole, and where it is weakest."""
    (_, before), (inputs, after) = answered[:2]
    paired = compare(task, before, after, truth)
    figures: Figures = {"paired/difference": paired.difference, "paired/p_value": paired.p_value}
    was, now = scores(task, before, truth), scores(task, after, truth)
    figures |= to_figures(evidence(was, now), "paired/")
    classes = None if task in (Task.TABULAR_REGRESSION, Task.FORECASTING) else truth
    worst = worst_slice(slices(second.manifest.signature, inputs, classes), was, now, bound)
    return figures | ({f"slice/{name}": value for name, value in asdict(worst).items()} if worst else {})


def _of_candidate(
    role: str, channel: Channel, candidate: _Candidate, share: float, target: str | None
) -> tuple[Tensors, NDArray[Any]]:
    if candidate.task == Task.FORECASTING:
        return held_out_windows(channel, candidate.manifest, share, target)
    return _held_out(role, channel, candidate.manifest.signature, share, target)


def _held_out(
    role: str, channel: Channel, signature: Signature, share: float, target: str | None
) -> tuple[Tensors, NDArray[Any]]:
    """Input tensors and truth of the held-out rows."""
    if channel.format in _IMAGE_FORMATS:
        tensors, truth, mask = _images(role, channel, signature, share)
    else:
        table = read_table(channel.path, channel.format, words=(target or "",))
        name = find_target(target, table.column_names)
        table = rows_with(table, name)
        mask = held_out_mask_table(table, share=share, without={name})
        tensors, truth = to_tensors(table, signature.inputs), target_values(table, name)
    if not mask.any():
        raise TooFewRowsError(
            f"None of the {len(mask):,} rows of channel '{role}' is held out",
            hint="Rows are assigned by their content; use more rows.",
            field=f"channels.{role}",
        )
    return take(tensors, mask), truth[mask]


def _images(
    role: str, channel: Channel, signature: Signature, share: float
) -> tuple[Tensors, NDArray[Any], NDArray[np.bool_]]:
    spec = signature.inputs[0]
    is_image_model = len(signature.inputs) == 1 and len(spec.shape) > 2  # noqa: PLR2004 - rows of a table have 2
    size = (spec.shape[1], spec.shape[2]) if is_image_model and min(spec.shape[1:3]) > 0 else None
    images, labels = read_images(channel.path, channel.format, size)
    wanted = tuple(spec.shape[1:])
    fits = len(wanted) == images.ndim - 1 and all(
        w in (-1, got) for w, got in zip(wanted, images.shape[1:], strict=True)
    )
    if not fits:
        raise ChannelInvalidError(
            f"The images of channel '{role}' have shape {images.shape[1:]}, the model takes {wanted}",
            hint="Evaluate on a dataset of the kind that the model was trained on.",
            field=f"channels.{role}",
        )
    return {spec.name: images}, labels, held_out_mask_images(images, share=share)


def _load(ref: str, job: JobFile, context: TrainingContext) -> _Candidate:
    manifest, predictor = load_bundle(job.candidates[ref], context.threads)
    return _Candidate(ref=ref, manifest=manifest, predictor=predictor)


def _share(hyperparameters: Mapping[str, Scalar]) -> float:
    share = hyperparameters.get("holdout_share", HOLDOUT_SHARE)
    return float(share) if isinstance(share, int | float) and 0 < share < 1 else HOLDOUT_SHARE
