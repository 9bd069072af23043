"""Where a script finds its inputs and leaves its results, and the variables that tell it."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import modelyard
from modelyard.types.jobs import Job
from modelyard.types.processes import Mount

CODE, MODEL, OUTPUT, CONFIG, FACTS = "code", "model", "output", "config", "facts"
HYPERPARAMETERS = "hyperparameters.json"
_IN_IMAGE = "/opt/ml"
_LIBRARY = "library"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Folders of one attempt on this machine, and how the process names them.

    In an image they are at fixed places, those of SageMaker's training images; elsewhere where they are.

    Attributes:
        folder: of the attempt.
        checkpoints: outlives the attempt.
        channels: role -> folder with the data.
        outputs: names of the outputs that become datasets, of a processing job: a folder each in the output folder.
        is_in_image: whether the process sees the fixed places.
    """

    folder: Path
    checkpoints: Path
    channels: Mapping[str, Path]
    outputs: Collection[str] = ()
    is_in_image: bool = False

    def create(self) -> None:
        """Make the folders of the attempt."""
        for name in (CODE, MODEL, OUTPUT, CONFIG, FACTS, *(f"{OUTPUT}/{output}" for output in self.outputs)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.checkpoints.mkdir(parents=True, exist_ok=True)

    @property
    def code(self) -> Path:
        """The process's current folder."""
        return self.folder / CODE

    def mounts(self) -> list[Mount]:
        """What the process sees beside its current folder."""
        named = {name: self.folder / name for name in (MODEL, OUTPUT)} | {"checkpoints": self.checkpoints}
        if not self.is_in_image:
            named[FACTS] = self.folder / FACTS
        mounts = [Mount(path=str(path), is_writable=True, target=self._target(name)) for name, path in named.items()]
        mounts.append(Mount(path=str(self.folder / CONFIG), target=self._target(CONFIG)))
        return [
            *mounts, *(Mount(path=str(path), target=self._target(role)) for role, path in self._data().items())
        ]  # fmt: skip

    def environment(self, job: Job, threads: int) -> dict[str, str]:
        """Ours, and those that scripts and images for SageMaker know."""
        paths = {name: self.seen(name) for name in (MODEL, OUTPUT, "checkpoints")}
        hyperparameters = f"{self.seen(CONFIG)}/{HYPERPARAMETERS}"
        channels = {role: self.seen(f"data/{role}") for role in self.channels}
        ours = {
            "MODELYARD_JOB": job.id,
            "MODELYARD_PROJECT": job.project,
            "MODELYARD_ATTEMPT": str(job.attempt),
            "MODELYARD_SEED": str(job.recipe.seed),
            "MODELYARD_THREADS": str(threads),
            "MODELYARD_HYPERPARAMETERS": hyperparameters,
            **{f"MODELYARD_{name.upper()}": path for name, path in paths.items()},
            **{f"MODELYARD_CHANNEL_{_variable(role)}": path for role, path in channels.items()},
            **{f"MODELYARD_OUTPUT_{_variable(name)}": f"{paths[OUTPUT]}/{name}" for name in self.outputs},
        }
        if job.recipe.generation is not None:
            ours["MODELYARD_GENERATION"] = str(job.recipe.generation.number)
        theirs = {
            "SM_MODEL_DIR": paths[MODEL],
            "SM_OUTPUT_DATA_DIR": paths[OUTPUT],
            **{f"SM_CHANNEL_{_variable(role)}": path for role, path in channels.items()},
        }
        return ours | theirs

    def seen(self, name: str) -> str:
        """The path of a folder as the process has it."""
        if self.is_in_image:
            return _TARGETS.get(name) or f"{_IN_IMAGE}/input/{name}"
        if name == "checkpoints":
            return str(self.checkpoints)
        role = name.removeprefix("data/")
        return str(self.channels[role] if name.startswith("data/") else self.folder / name)

    def library(self) -> Path:
        """A folder with this package alone, for the path of an interpreter that does not have it."""
        library = self.folder / CONFIG / _LIBRARY
        library.mkdir(exist_ok=True)
        link = library / "modelyard"
        if not link.is_symlink():
            link.symlink_to(Path(modelyard.__file__).resolve().parent)
        return library

    def _data(self) -> dict[str, Path]:
        return {f"data/{role}": path for role, path in self.channels.items()}

    def _target(self, name: str) -> str:
        return self.seen(name) if self.is_in_image else ""


_TARGETS = {
    MODEL: f"{_IN_IMAGE}/model",
    OUTPUT: f"{_IN_IMAGE}/output/data",
    "checkpoints": f"{_IN_IMAGE}/checkpoints",
    CONFIG: f"{_IN_IMAGE}/input/config",
}


def _variable(role: str) -> str:
    return re.sub(r"\W", "_", role, flags=re.ASCII).upper()


def plain_files(folder: Path) -> dict[str, Path]:
    """Path in the folder -> file. Links are left out: what they point at is not the process's to show."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
