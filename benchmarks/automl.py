"""AutoML beside FLAML and AutoGluon alone, and XGBoost and a random forest as they come, on real tables from packages.

`make bench-automl` (SECONDS=30 for each table and each search, from the start of its process; SEEDS=1, MINUTES=9,
WORKERS=1). Same rows, same time, one core each; WORKERS of them play at once, each pinned to a core. A quarter of the
rows is judged by the usual figure of the AutoML benchmark: area under the curve for two classes, log loss for more,
root mean squared error for numbers. Each table and seed has a file of its own in build/: after MINUTES no other begins,
and the next call goes on from there. When all are there, it writes docs/reference/automl-benchmark.md.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.automl_parts.page import Row, Scores, page
from benchmarks.automl_parts.pinning import told
from benchmarks.automl_parts.playing import Game, Played, play_all, players
from benchmarks.automl_parts.tables import TABLES

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "automl-benchmark.md"
KEPT = Path("build") / "automl-benchmark"
NAMES = tuple(players(0, 0, Path()))


def main() -> int:
    """Run what has no result yet, as far as the time goes; write the page if all is there."""
    given = _arguments()
    files = {(table.name, seed): Kept.of(table.name, seed, given) for seed in range(given.seeds) for table in TABLES}
    games = [
        Game(table=table, seed=seed, contender=name)
        for (table, seed), kept in files.items()
        for name in NAMES
        if name not in kept.scores()
    ]
    end = time.time() + 60 * given.minutes
    failed = 0
    for found in play_all(games, given.seconds, given.autogluon, given.workers, end):
        if isinstance(found, Played):
            files[found.game.table, found.game.seed].add(found)
        else:
            failed += 1
            print(f"{found[0].table}, {found[0].contender}: {found[1]}", file=sys.stderr, flush=True)
    lacking = [kept.file.name for kept in files.values() if len(kept.scores()) < len(NAMES)]
    if lacking:
        print(f"{len(lacking)} results are lacking: call it again. The next is {lacking[0]}")
        return 1 if failed else 0
    rows = [_row([files[table.name, seed] for seed in range(given.seeds)], table.name) for table in TABLES]
    text = page(rows, NAMES, given.seconds, given.seeds, told(given.workers))
    print(text)
    given.page.write_text(text, encoding="utf-8")
    return 0


@dataclass(frozen=True, slots=True)
class Kept:
    """The file of one table and seed: its figure, and the scores that are known."""

    file: Path

    @classmethod
    def of(cls, table: str, seed: int, given: argparse.Namespace) -> "Kept":
        """What several at once have had stands apart from what they had one after the other."""
        at_once = "" if given.workers == 1 else f".{given.workers}-at-once"
        return cls(given.kept / f"{table.replace(' ', '-')}.{seed}.{given.seconds:g}s{at_once}.json")

    def read(self) -> tuple[str, Scores]:
        """Figure, scores by name."""
        figure, scores = json.loads(self.file.read_text()) if self.file.exists() else ("", {})
        return figure, scores

    def scores(self) -> Scores:
        """By name."""
        return self.read()[1]

    def add(self, played: Played) -> None:
        """Keep and tell a result."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        scores = {**self.scores(), played.game.contender: played.score}
        self.file.write_text(json.dumps((played.figure, scores)))
        game = f"{played.game.table} {played.game.seed}, {played.game.contender}"
        print(f"{game}: {played.figure} {played.score:.4g} in {played.seconds:.1f} s", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seeds", type=int, default=1, help="so many ways to split each table")
    parser.add_argument("--minutes", type=float, default=9, help="after this no other search begins")
    parser.add_argument("--workers", type=int, default=1, help="so many searches at once, each pinned to one core")
    parser.add_argument("--autogluon", type=Path, default=_autogluon(), help="interpreter that has AutoGluon")
    parser.add_argument("--kept", type=Path, default=KEPT, help="folder of the results so far")
    parser.add_argument("--page", type=Path, default=PAGE, help="file that the page is written to")
    return parser.parse_args()


def _autogluon() -> Path:
    """The interpreter of AutoGluon's own environment, or else this one: AutoGluon may be in it."""
    own = ROOT / ".venv-autogluon" / "bin" / "python"
    return own if own.exists() else Path(sys.executable)


def _row(kept: list[Kept], table: str) -> Row:
    found = [each.scores() for each in kept]
    means = {name: float(np.mean([scores[name] for scores in found])) for name in NAMES}
    return Row(table=table, figure=kept[0].read()[0], scores=means)


if __name__ == "__main__":
    sys.exit(main())
