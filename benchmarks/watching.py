"""What watching a training costs: the same steps with and without `modelyard.watch`, side by side.

Usage: python benchmarks/watching.py [--rounds 12]      (needs torch: make install-torch)

Pieces of both kinds alternate, so that whatever else the machine does meets both. The second figure is what the
supervisor of a job spends to sample its processes, as a share of one core.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

import modelyard
from modelyard.engines.local.shim.profile import ProfileLog

_STEPS = 100
_LOOKS = 20


def main() -> None:
    """Print the shares."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=12, help="pieces of each kind")
    rounds = options.parse_args().rounds
    torch.set_num_threads(1)
    for name, model, rows in (
        ("three dense layers of 512, batches of 128", _dense(), torch.randn(128, 256)),
        ("two convolutions on 28 x 28, batches of 64", _convolutions(), torch.randn(64, 1, 28, 28)),
    ):
        share = _overhead(model, rows, rounds)
        print(f"watch(every=50), {name}: {share:+.2%} of processor time")
    print(f"sampling a job with 4 processes once a second: {_sampling():.2%} of one core")


def _overhead(model: torch.nn.Module, rows: torch.Tensor, rounds: int) -> float:
    """The median over pairs of pieces."""
    labels = torch.randint(0, 10, (len(rows),))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    _piece(model, optimizer, rows, labels)
    shares = []
    for number in range(rounds):
        seconds = {}
        for is_watched in (True, False) if number % 2 else (False, True):
            watch = modelyard.watch(model) if is_watched else None
            with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
                seconds[is_watched] = _piece(model, optimizer, rows, labels)
                if watch is not None:
                    watch.close()
        shares.append(seconds[True] / seconds[False] - 1)
    return statistics.median(shares)


def _piece(model: torch.nn.Module, optimizer: torch.optim.Optimizer, rows: torch.Tensor, labels: torch.Tensor) -> float:
    began = time.process_time()
    for _ in range(_STEPS):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(rows), labels).backward()
        optimizer.step()
    return time.process_time() - began


def _sampling() -> float:
    """Processor time of one look, of which there is one a second."""
    children = [subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(4)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            log = ProfileLog(f"{folder}/profile.jsonl")
            log.look()
            began = time.process_time()
            for _ in range(_LOOKS):
                log.look()
            return (time.process_time() - began) / _LOOKS
    finally:
        for child in children:
            child.communicate(b"\n")


def _dense() -> torch.nn.Module:
    layers = torch.nn.Linear(256, 512), torch.nn.ReLU(), torch.nn.Linear(512, 512), torch.nn.ReLU()
    return torch.nn.Sequential(*layers, torch.nn.Linear(512, 10))


def _convolutions() -> torch.nn.Module:
    first = torch.nn.Conv2d(1, 16, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2)
    second = torch.nn.Conv2d(16, 32, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2)
    return torch.nn.Sequential(*first, *second, torch.nn.Flatten(), torch.nn.Linear(32 * 25, 10))


if __name__ == "__main__":
    main()
