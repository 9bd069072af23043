"""The replay job: the same captured requests to the running version and to the candidate, side by side."""

import math
import random
import time

import numpy as np

from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.errors import ChannelInvalidError
from modelyard.algorithms.evaluation.worst_slices import slices
from modelyard.algorithms.jobfile import JobFile
from modelyard.algorithms.replay.answers import Answers, most_changed
from modelyard.algorithms.replay.requests import Request, read_requests
from modelyard.algorithms.replay.sides import Side, load_sides
from modelyard.errors import InvalidInputError, ModelyardError
from modelyard.runtimes.base import Tensors
from modelyard.runtimes.bundle import read_golden, read_manifest
from modelyard.runtimes.golden import mismatches
from modelyard.types.signatures import Signature

CHANNEL = "requests"
SINGLE, CAPTURED = "single", "captured"

_LONGEST_SECONDS = 300.0
"""What was not replayed by then is left out; the order is random, so that what was is still a fair sample."""

_SINGLE_ROWS = 300
_WARM_UP = 10

Figures = dict[str, float | str]


def replay(job: JobFile, context: TrainingContext) -> Figures:
    """Figures of the second candidate beside the first, which is the running version.

    "load/error": why the candidate does not load; then there is nothing else. "golden/failed", "golden/first": its own
    golden requests. "requests", "rows": how many both were asked. "errors/new", "errors/first": requests that only the
    candidate failed; "errors/running": that the running one failed. "nan/new", "nan/output": requests answered with
    NaN where the running one has none. "changed/share", "changed/<n>/name|rows|share": rows answered otherwise, and the
    slices with most of them. "shift": distance of the distributions of the answers. "time/single|captured/running|
    candidate": median microseconds of CPU, for one row and for a request as captured. "memory/running|candidate":
    bytes that loading takes.

    Raises:
        InvalidInputError: not two candidates.
        ChannelInvalidError: no channel "requests".
        DatasetInvalidError: it holds no captured requests.
    """
    if len(job.candidates) != 2:  # noqa: PLR2004 - one runs, one wants to
        raise InvalidInputError("A replay compares two versions", hint="Name the running one, then the candidate.")
    if CHANNEL not in job.channels:
        raise ChannelInvalidError(
            f"A replay needs the channel '{CHANNEL}'", hint="It holds captured requests.", field="channels"
        )
    requests = read_requests(job.channels[CHANNEL].path)
    folders = [job.candidates[ref] for ref in job.candidates]
    manifests = [read_manifest(folder) for folder in folders]
    try:
        running, candidate, memory = load_sides(folders, manifests, context.threads)
        wrong = mismatches(read_golden(folders[1]), candidate.predictor.predict)
    except ModelyardError as error:
        return {"load/error": error.message[:300]}
    figures: Figures = {**memory, "golden/failed": float(len(wrong)), "golden/first": wrong[0] if wrong else ""}
    figures |= _replay(requests, manifests[0].signature, running, candidate, context)
    for kind in (SINGLE, CAPTURED):
        for name, side in (("running", running), ("candidate", candidate)):
            figures[f"time/{kind}/{name}"] = side.microseconds(kind) or 0.0
    return {name: value for name, value in figures.items() if isinstance(value, str) or math.isfinite(value)}


def _replay(
    requests: list[Request], signature: Signature, running: Side, candidate: Side, context: TrainingContext
) -> Figures:
    chance = random.Random(context.seed)  # noqa: S311 - an order, no secret
    order = chance.sample(requests, len(requests))
    deadline = time.monotonic() + _LONGEST_SECONDS
    answers, compared, asked, failed = Answers(), [], 0, {"running": 0, "new": 0}
    nans: list[str] = []
    for number, request in enumerate(order):
        if time.monotonic() > deadline:
            context.log(f"stopped after {number:,} of {len(order):,} requests: {_LONGEST_SECONDS:.0f} s are over")
            break
        before, after = _ask_both(running, candidate, request, number)
        asked += 1
        if before is None or after is None:
            failed["running" if before is None else "new"] += 1
            continue
        nans += _new_nans(before, after)[:1]
        answers.add(before, after)
        compared.append(request)
    context.log(f"{asked:,} requests; the candidate alone failed {failed['new']:,}, and had NaN in {len(nans):,}")
    return {
        "requests": float(asked),
        "rows": float(sum(request.rows for request in compared)),
        "errors/running": float(failed["running"]),
        "errors/new": float(failed["new"]),
        "errors/first": candidate.failure if failed["new"] else "",
        "nan/new": float(len(nans)),
        "nan/output": nans[0] if nans else "",
        "shift": answers.shift(),
        **_changes(compared, signature, answers),
    }


def _ask_both(running: Side, candidate: Side, request: Request, number: int) -> tuple[Tensors | None, Tensors | None]:
    """The answers of the running version and of the candidate, which take turns in going first."""
    pair = (running, candidate) if number % 2 else (candidate, running)
    if number < _WARM_UP:
        for side in pair:
            side.ask(request.inputs, request.rows)
    if number < _SINGLE_ROWS:
        row = {name: tensor[:1] for name, tensor in request.inputs.items()}
        for side in pair:
            side.ask(row, 1, SINGLE)
    answered = {side: side.ask(request.inputs, request.rows, CAPTURED) for side in pair}
    return answered[running], answered[candidate]


def _new_nans(before: Tensors, after: Tensors) -> list[str]:
    """Outputs with NaN in the second answer and none in the first."""
    had = {name for name, array in before.items() if _has_nan(array)}
    return [name for name, array in after.items() if name not in had and _has_nan(array)]


def _has_nan(array: np.ndarray) -> bool:
    return array.dtype.kind == "f" and bool(np.isnan(array).any())


def _changes(compared: list[Request], signature: Signature, answers: Answers) -> Figures:
    changed = answers.changed()
    if not len(changed):
        return {}
    figures: Figures = {"changed/share": float(changed.mean())}
    tensors = {spec.name: [request.inputs[spec.name] for request in compared] for spec in signature.inputs}
    if any(len({array.shape[1:] for array in arrays}) > 1 for arrays in tensors.values()):
        return figures  # rows of several shapes (images as they came) have no columns to slice by
    inputs = {name: np.concatenate(arrays) for name, arrays in tensors.items()}
    if any(len(array) != len(changed) for array in inputs.values()):
        return figures
    for place, (name, rows, share) in enumerate(most_changed(slices(signature, inputs, None), changed), 1):
        figures |= {
            f"changed/{place}/name": name,
            f"changed/{place}/rows": float(rows),
            f"changed/{place}/share": share,
        }
    return figures
