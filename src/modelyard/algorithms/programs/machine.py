"""Tells what a job ran on: `python -I machine.py FILE COMMAND...` writes the facts as JSON and becomes the command.

Standard library only: it is run by its path, by the interpreter of the job. What it tells are the attributes of
`types.scripting.conditions.Machine`.
"""

import json
import os
import platform
import re
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

MACHINE_FILE = "machine.json"
_CPUINFO = Path("/proc/cpuinfo")
_LIBRARIES = (
    *("modelyard", "numpy", "scipy", "pandas", "pyarrow", "polars", "pillow", "pyspark"),
    *("scikit-learn", "skops", "xgboost", "xgboost-cpu", "lightgbm", "catboost"),
    *("torch", "torchvision", "tensorflow", "tensorflow-cpu", "keras"),
    *("onnx", "onnxruntime", "skl2onnx", "onnxmltools"),
)
_INSTRUCTIONS = re.compile(r"sse4_1|sse4_2|avx\w*|fma|f16c|amx_\w+|neon|asimd\w*|sve\w*|i8mm|bf16|vsx")


def machine() -> dict[str, object]:
    """The facts, after what computes was imported: only then is it known which linear algebra that loaded."""
    cpu = _cpu()
    features = cpu.get("flags") or cpu.get("Features") or ""
    return {
        "cpu": (cpu.get("model name") or platform.processor() or platform.machine())[:200],
        "instructions": sorted(word for word in features.split() if _INSTRUCTIONS.fullmatch(word)),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "system": _system(),
        "kernel": f"{platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: found for name in _LIBRARIES if (found := _version(name))},
        "blas": _blas(),
    }


def _cpu(path: Path = _CPUINFO) -> Mapping[str, str]:
    """Of the first processor. Source: proc(5), /proc/cpuinfo."""
    try:
        first = path.read_text().strip().split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _blas() -> list[str]:
    """What does linear algebra in this process; nothing where no package can tell."""
    try:
        import_module("numpy")  # loads its linear algebra
        threadpool_info = import_module("threadpoolctl").threadpool_info  # where scikit-learn brought it
    except ImportError:
        return []
    return sorted(
        {
            " ".join(str(each[key]) for key in ("internal_api", "version", "architecture") if each.get(key))
            + f", {each['num_threads']} threads"
            for each in threadpool_info()
        }
    )


def write(path: Path) -> None:
    """Write the facts; a job does not fail for want of them."""
    try:
        path.write_text(json.dumps(machine()), encoding="utf-8")
    except OSError as error:
        sys.stderr.write(f"The facts about this machine cannot be kept: {error}\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell
