"""`make fuzz`: any bytes whatever against every parser of the data plane, guided by the code that they reach.

Each target runs in a process of its own. One that breaks a promise leaves the bytes that did it in a file, which
`python scripts/fuzz.py TARGET --replay FILE` runs again.
"""

import argparse
import logging
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_LARGEST_BYTES = 4096
_RSS_MB = 2048
_ONE_INPUT_SECONDS = 10


def main() -> None:
    """Exit code 0 only if every target held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help="all, if left out")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="folder for what breaks a target")
    parser.add_argument("--replay", type=Path, help="run one input against the target")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if arguments.inside:
        fuzz(arguments.targets[0], arguments.inside, arguments.seconds, arguments.findings)
    from modelyard.testing.fuzzing.seeds import TARGETS  # noqa: PLC0415 - after a fuzzing process has instrumented it

    if arguments.replay:
        TARGETS[arguments.targets[0]](arguments.replay.read_bytes())
        return
    results = [run(target, arguments.seconds, arguments.findings) for target in arguments.targets or TARGETS]
    sys.exit(not all(results))


def run(target: str, seconds: int, findings: Path) -> bool:
    """Fuzz one target in a process of its own; True if it held."""
    findings.mkdir(exist_ok=True)
    before = set(findings.iterdir())
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="corpus-") as corpus:
        command = [sys.executable, __file__, target, "--inside", corpus, "--seconds", str(seconds)]
        done = subprocess.run([*command, "--findings", str(findings)], capture_output=True, text=True, check=False)
        kept = sum(1 for _ in Path(corpus).iterdir())
    counts = re.findall(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    found = sorted(path.name for path in set(findings.iterdir()) - before)
    number, elapsed = counts[-1] if counts else "?", time.monotonic() - started
    print(f"{target}: {number} inputs in {elapsed:.0f} s, {kept} kept for new paths, {found or 'held'}")
    if done.returncode or found:
        print(done.stderr[-3000:])
    sys.stdout.flush()
    return done.returncode == 0 and not found


def fuzz(target: str, corpus: Path, seconds: int, findings: Path) -> None:
    """Does not come back: the fuzzer ends the process."""
    import atheris  # noqa: PLC0415 - not part of what development needs

    with atheris.instrument_imports(include=["modelyard", "uvicorn.protocols"]):
        from modelyard.testing.fuzzing.seeds import TARGETS, seeds  # noqa: PLC0415

    for number, seed in enumerate(seeds(target)):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = {
        "max_total_time": seconds,
        "max_len": _LARGEST_BYTES,
        "rss_limit_mb": _RSS_MB,
        "timeout": _ONE_INPUT_SECONDS,
        "artifact_prefix": f"{findings}/{target}-",
        "print_final_stats": 1,
    }
    atheris.Setup([sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(corpus)], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
