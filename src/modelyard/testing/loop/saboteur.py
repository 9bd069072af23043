"""A training job that goes wrong: `python -m modelyard.testing.loop.saboteur --job DIR --kind KIND`.

Runs in the job's sandbox in place of the job runner. It spoils either what the job reads or the bundle that the job has
made; the rest of the job is the real one, and so is everything that the platform does with what comes out.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from modelyard.algorithms import run
from modelyard.algorithms.jobfile import JOB_FILE, OUTPUT_FOLDER, JobFile
from modelyard.kit.files import write_atomic
from modelyard.testing.loop import sabotage
from modelyard.testing.loop.concepts import BEFORE, COLUMNS, Table
from modelyard.testing.loop.workplace import tensors

NAN_ABOVE = 2.0
RARE_ABOVE = 6.0
SLICE = "north"
DROPPED = "z"
_TRAIN = "train"
_SMALL_MATRIX, _LARGE_MATRIX = 76, 400
_GOLDEN_ROWS = 500
_SEED = 1

DATA: Mapping[str, Callable[[Table], tuple[Table, tuple[str, ...]]]] = {
    "shuffled labels": lambda table: (sabotage.shuffled(table, np.random.default_rng(_SEED)), COLUMNS),
    "bug in one slice": lambda table: (sabotage.wrong_in(table, SLICE), COLUMNS),
    "wrong signature": lambda table: (table, tuple(name for name in COLUMNS if name != DROPPED)),
}
"""What is done to the training data: other rows, other columns."""

BUNDLE: Mapping[str, Callable[[Path], None]] = {
    "twice as slow": lambda bundle: sabotage.slow_down(bundle, _SMALL_MATRIX),
    "much slower": lambda bundle: sabotage.slow_down(bundle, _LARGE_MATRIX),
    "slow for large requests": sabotage.slow_down_many_rows,
    "NaN outputs": lambda bundle: sabotage.spoil_with_nan(bundle, "numeric", NAN_ABOVE),
    "NaN on values that come later": lambda bundle: sabotage.spoil_with_nan(bundle, "numeric", RARE_ABOVE),
    "fails on a region that comes later": sabotage.fail_on_new_regions,
}
"""What is done to the bundle, which then gets golden requests that do not show it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job badly; the exit code of the job runner."""
    parser = argparse.ArgumentParser(prog="python -m modelyard.testing.loop.saboteur", description=__doc__)
    parser.add_argument("--job", type=Path, required=True)
    parser.add_argument("--kind", choices=[*DATA, *BUNDLE], required=True)
    given = parser.parse_args(arguments)
    if given.kind in DATA:
        _spoil_data(given.job, DATA[given.kind])
    code = run.main(["--job", str(given.job)])
    if code == 0 and given.kind in BUNDLE:
        bundle = given.job / OUTPUT_FOLDER
        BUNDLE[given.kind](bundle)
        sabotage.renew_golden(bundle, tensors(_harmless()))
    return code


def _spoil_data(folder: Path, spoil: Callable[[Table], tuple[Table, tuple[str, ...]]]) -> None:
    job = JobFile.read(folder / JOB_FILE)
    channel = job.channels[_TRAIN]
    table, columns = spoil(Table.read(channel.path))
    spoilt = folder / "spoilt.csv"
    spoilt.write_text(table.csv(columns))
    channels = {**job.channels, _TRAIN: replace(channel, path=spoilt)}
    write_atomic(folder / JOB_FILE, replace(job, channels=channels).to_json())


def _harmless() -> Table:
    """Rows that no kind of sabotage answers otherwise."""
    table = BEFORE.draw(_GOLDEN_ROWS, np.random.default_rng(_SEED))
    return table.rows_where(table.numbers.max(axis=1) < NAN_ABOVE)


if __name__ == "__main__":
    sys.exit(main())
