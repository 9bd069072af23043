"""Compiles a registered version to a target.

    python -m modelyard.runtimes.targets.build --bundle DIR --output DIR --target NAME --tolerance NUMBER

Exit code 0: the output holds the files and `build.json`. 1: it cannot be done, `error.json` there has `code`, `message`
and `hint`. The model comes from a stranger: run this in a sandbox without network.
"""

import argparse
import sys
from pathlib import Path

import msgspec

from modelyard.kit.files import write_atomic
from modelyard.runtimes.reporting import reported
from modelyard.runtimes.targets.c_library import build_c
from modelyard.runtimes.targets.onnx_targets import build_cpu, build_int8, build_portable
from modelyard.runtimes.targets.source import Source, open_source
from modelyard.types.compilation import Build, Target

BUILD = "build.json"


def build(folder: Path, output: Path, target: Target, tolerance: float) -> Build:
    """Write the files of a target and `build.json` into the empty folder `output`.

    Raises:
        TargetUnfitError: this model cannot be compiled to this target.
        CompilerMissingError: what compiles it is not installed.
        ArtifactInvalidError: the bundle in `folder` is damaged.
    """
    source = open_source(folder, output)
    made = _build(target, source, output, tolerance)
    write_atomic(output / BUILD, msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")
    return made


def _build(target: Target, source: Source, output: Path, tolerance: float) -> Build:
    if target is Target.CPU:
        return build_cpu(source, output, tolerance)
    if target is Target.CPU_INT8:
        return build_int8(source, output, tolerance)
    if target is Target.C:
        return build_c(source, output, tolerance)
    return build_portable(target, source, output)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m modelyard.runtimes.targets.build", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--target", type=Target, required=True)
    parser.add_argument("--tolerance", type=float, required=True)
    options = parser.parse_args(arguments)
    return reported(
        lambda: build(options.bundle, options.output, options.target, options.tolerance), options.output, "compiling"
    )


if __name__ == "__main__":
    sys.exit(main())
