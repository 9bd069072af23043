"""Becomes a program of the container contract: `python -I toolkit.py ROOT [COMMAND...]`, ROOT being /opt/ml.

It sets the SM_* variables, then executes COMMAND or, without one, the script that the hyper-parameters name
(`sagemaker_program`) with the others as its arguments. It leaves nothing behind: signals and exit codes are the
program's own. Standard library only: it is run by its path, in whatever environment the script has.

Source: github.com/aws/sagemaker-training-toolkit, README.md, section "SageMaker environment variables".
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RANK = "MODELYARD_RANK"
PIPES = "pipes.json"
_RESERVED = "sagemaker_"
_OBJECTIVE = "_tuning_objective_metric"
_NO_PROGRAM = 2


@dataclass(frozen=True)
class Told:
    """What the files of the contract say, with the values of hyper-parameters decoded."""

    root: Path
    host: str
    resources: dict[str, Any]
    inputs: dict[str, Any]
    framework: dict[str, Any]
    hyperparameters: dict[str, Any]

    @property
    def base(self) -> Path:
        """The root of this host: of several in one sandbox, all but the first have their data elsewhere."""
        return self.root if self.host == self.resources["hosts"][0] else self.root / "hosts" / self.host

    @property
    def program(self) -> str:
        """The script, relative to the folder of code."""
        return str(self.framework.get("sagemaker_program", ""))

    def arguments(self) -> list[str]:
        """Hyper-parameters as the script's arguments, by name."""
        words: list[str] = []
        for name, value in sorted(self.hyperparameters.items()):
            words.append(f"-{name}" if len(name) == 1 else f"--{name}")
            if value is not None and value != "":
                words.append(_text(value))
        return words


def read(root: Path, rank: int) -> Told:
    """Read the files below `root` for the host of this rank."""
    config = root / "input" / "config"
    resources = _json(config / "resourceconfig.json")
    given = {name: _decoded(value) for name, value in _json(config / "hyperparameters.json").items()}
    reserved = {name for name in given if name.startswith(_RESERVED) or name == _OBJECTIVE}
    return Told(
        root=root,
        host=resources["hosts"][rank],
        resources=resources,
        inputs=_json(config / "inputdataconfig.json"),
        framework={name: given[name] for name in sorted(reserved)},
        hyperparameters={name: given[name] for name in sorted(given.keys() - reserved)},
    )


def variables(told: Told, processors: int) -> dict[str, str]:
    """Every SM_* variable."""
    settings = _settings(told, processors)
    channels = {name: str(told.base / "input" / "data" / name) for name in told.inputs}
    named = {f"channel_{name}": path for name, path in channels.items()}
    named |= {f"hp_{name}": value for name, value in told.hyperparameters.items()}
    training = {
        **{name: value for name, value in settings.items() if name not in ("hps", "user_args")},
        "channel_input_dirs": channels,
        "hyperparameters": told.hyperparameters,
        "input_data_config": told.inputs,
        "resource_config": told.resources,
        "is_master": told.host == told.resources["hosts"][0],
        "master_hostname": told.resources["hosts"][0],
        "job_name": told.framework.get("sagemaker_job_name", os.environ.get("TRAINING_JOB_NAME", "")),
    }
    found = {**settings, "training_env": training, **named}
    texts = {f"SM_{name.upper()}": _text(value) for name, value in found.items()}
    # Names with a hyphen are no shell's: they are there under both spellings.
    return texts | {name.replace("-", "_"): text for name, text in texts.items()}


def command(told: Told) -> list[str]:
    """What runs the script.

    Raises:
        ValueError: there is none.
    """
    program = told.program
    code = told.root / "code"
    if not program:
        raise ValueError("the hyper-parameters name no script: set 'sagemaker_program'")
    if not (code / program).is_file():
        there = ", ".join(sorted(path.name for path in code.iterdir())) or "nothing"
        raise ValueError(f"there is no script '{program}' in the source code, which holds {there}")
    if (code / "setup.py").exists():
        return [sys.executable, "-m", _module(program), *told.arguments()]
    if program.endswith(".py"):
        return [sys.executable, program, *told.arguments()]
    (code / program).chmod(0o755)  # archives that were packed elsewhere need not say that it can be run
    return ["/bin/sh", "-c", f"./{shlex.quote(program)} {shlex.join(told.arguments())}"]


def main(root: Path, words: Sequence[str]) -> int:
    """Become the program; returns only if it cannot."""
    told = read(root, int(os.environ.get(RANK, "0")))
    environment = {**os.environ, **variables(told, len(os.sched_getaffinity(0)))}
    code = str(root / "code")
    environment["PATH"] = _path_with_tools(environment.get("PATH", os.defpath))
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (code, environment.get("PYTHONPATH", ""))))
    try:
        wanted = list(words) or command(told)
    except ValueError as error:
        _fail(root, str(error))
        return _NO_PROGRAM
    if (root / "input" / "config" / PIPES).is_file():
        _feed_pipes(root)
    print(f"Invoking: {shlex.join(wanted)}", flush=True)  # noqa: T201 - standard output is the job's log
    os.chdir(code)
    try:
        os.execvpe(wanted[0], wanted, environment)  # noqa: S606 - a list, no shell
    except OSError as error:
        _fail(root, f"'{wanted[0]}' cannot be run: {error.strerror}")
    return _NO_PROGRAM


def _path_with_tools(path: str) -> str:
    """`python3` is this Python. ModelTrainer's start script wants a `pip3` too, and goes no further without one."""
    path = os.pathsep.join((str(Path(sys.executable).parent), path))
    if shutil.which("pip3", path=path):
        return path
    folder = Path(tempfile.mkdtemp(prefix="tools-"))
    (folder / "pip3").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pip "$@"\n', encoding="utf-8")
    (folder / "pip3").chmod(0o755)
    return os.pathsep.join((path, str(folder)))


def _feed_pipes(root: Path) -> None:
    """Start what feeds the channels of the mode Pipe, and wait until their FIFOs are there; it ends with the job."""
    feeder = [sys.executable, "-I", "-B", str(Path(__file__).with_name("pipes.py")), str(root)]
    process = subprocess.Popen(feeder, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    if process.stdout is not None:
        process.stdout.readline()


def _settings(told: Told, processors: int) -> dict[str, Any]:
    """Variables that every program has, by their names without SM_."""
    root, base, resources = told.root, told.base, told.resources
    groups = resources.get("instance_groups", [])
    group = resources.get("current_group_name", "")
    return {
        "hosts": resources["hosts"],
        "current_host": told.host,
        "current_instance_type": resources.get("current_instance_type", ""),
        "current_instance_group": group,
        "current_instance_group_hosts": resources["hosts"],
        "instance_groups": [each["instance_group_name"] for each in groups],
        "instance_groups_dict": {each["instance_group_name"]: each for each in groups},
        "distribution_instance_groups": [],
        "is_hetero": False,
        "network_interface_name": resources.get("network_interface_name", "lo"),
        "hps": told.hyperparameters,
        "framework_params": told.framework,
        "framework_module": os.environ.get("SM_FRAMEWORK_MODULE", ""),
        "user_entry_point": told.program,
        "module_name": _module(told.program),
        "module_dir": told.framework.get("sagemaker_submit_directory", str(root / "code")),
        "user_args": told.arguments(),
        "log_level": told.framework.get("sagemaker_container_log_level", 20),
        "channels": sorted(told.inputs),
        "input_data_config": told.inputs,
        "resource_config": resources,
        "input_dir": str(base / "input"),
        "input_config_dir": str(root / "input" / "config"),
        "output_dir": str(root / "output"),
        "output_data_dir": str(root / "output" / "data"),
        "output_intermediate_dir": str(root / "output" / "intermediate"),
        "model_dir": str(root / "model"),
        "num_cpus": processors,
        "num_gpus": len([each for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each]),
        "num_neurons": 0,
    }


def _module(program: str) -> str:
    return program.removesuffix(".py").replace("/", ".")


def _fail(root: Path, reason: str) -> None:
    """Say why there is no program, in the log and where the platform looks for it."""
    print(reason, file=sys.stderr, flush=True)  # noqa: T201 - the job's log
    (root / "output" / "failure").write_text(reason, encoding="utf-8")


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _decoded(value: str) -> Any:
    """Hyper-parameters are texts; scripts get what those say as JSON, where they say something."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return (
        json.dumps(value, sort_keys=True, separators=(",", ":")) if isinstance(value, (Mapping, list)) else str(value)
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
