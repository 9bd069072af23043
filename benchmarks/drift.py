"""Drift: what sketches and checks cost, whether known drift is found, and the same windows for other libraries.

Usage: python -m benchmarks.drift [cost] [known] [estimates] [compare] [--json]

Without a part, all of them. `known` and `estimates` fetch the nannyml wheel for its data sets, `compare` makes an
environment each for river and Evidently (0.9 GB together) under MODELYARD_BENCH_CACHE. Each part uses one core.
"""

import json
import os
import sys

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # read when numpy is loaded

from benchmarks.drift_parts.comparison import compare  # noqa: E402
from benchmarks.drift_parts.cost import cost  # noqa: E402
from benchmarks.drift_parts.estimates import estimates  # noqa: E402
from benchmarks.drift_parts.known import known  # noqa: E402
from benchmarks.drift_parts.sets import SETS  # noqa: E402


def main(arguments: list[str]) -> None:
    """Run the named parts and print what they find."""
    parts = {argument for argument in arguments if not argument.startswith("-")} or {
        "cost",
        "known",
        "estimates",
        "compare",
    }
    if "cost" in parts:
        _print("COST", cost())
    if "known" in parts:
        found = [known(name) for name in SETS]
        if "--json" in arguments:
            print(json.dumps(found))
        else:
            _print("KNOWN DRIFT (nannyml's data sets)", (line for each in found for line in _known(each)))
    if "estimates" in parts:
        measured = estimates()
        if "--json" in arguments:
            print(json.dumps(measured))
        else:
            _print("ESTIMATED AGAINST TRUE QUALITY, windows of 5,000 rows", map(_estimate, measured))
    if "compare" in parts:
        _print("SIDE BY SIDE", compare())


def _known(found: dict) -> list[str]:
    first = found["verdicts"].index("DRIFT") if "DRIFT" in found["verdicts"] else None
    return [
        f"{found['set']}: {found['quiet_alarms']} of {found['quiet_windows']} quiet windows alarm",
        f"    later windows: {' '.join('drift' if v == 'DRIFT' else '-' for v in found['verdicts'])}",
        f"    named first: {', '.join(found['columns'][first]) if first is not None else 'nothing'}",
    ]


def _estimate(found: dict) -> str:
    true_first, true_last = _figure(found["true_first"]), _figure(found["true_last"])
    return (
        f"{found['set']:18} {found['metric']:9} true {true_first} -> {true_last}, "
        f"estimated {_figure(found['estimated_first'])} -> {_figure(found['estimated_last'])}, "
        f"mean error {found['mean_error']:.4g}, largest {found['largest_error']:.4g}"
        + (f", {found['covered']} of {found['windows']} in the 95 % interval" if "covered" in found else "")
    )


def _figure(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.0f}"


def _print(title: str, lines) -> None:
    print(f"\n{title}", flush=True)
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
