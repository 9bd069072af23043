"""The folders of one attempt on this machine, and where its program sees them: the tree below /opt/ml.

What the program leaves is read here after its end, so each folder that is read is a mount of its own: no program can
put a link in its place.
"""

from dataclasses import dataclass
from pathlib import Path

from modelyard.types.processes import Mount

ROOT = "/opt/ml"
DATA = "input/data"
CONFIG = "input/config"
PIPES = "pipes"
_OUTSIDE = "outside"
_LONGEST_FAILURE_BYTES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractPlaces:
    """Where the folders of an attempt are.

    Attributes:
        folder: of the attempt.
        checkpoints: outlives the attempt.
        checkpoint_path: where the program sees that.
    """

    folder: Path
    checkpoints: Path
    checkpoint_path: str

    @property
    def code(self) -> Path:
        """The program's current folder, /opt/ml/code."""
        return self.folder / "code"

    @property
    def model(self) -> Path:
        """What becomes model.tar.gz, /opt/ml/model."""
        return self.folder / "model"

    @property
    def output(self) -> Path:
        """Results and the reason of a failure, /opt/ml/output."""
        return self.folder / "output"

    @property
    def data(self) -> Path:
        """Folder of the channels."""
        return self.folder / "ml" / DATA

    @property
    def config(self) -> Path:
        """Folder of the JSON files that tell the program about its job."""
        return self.folder / "ml" / CONFIG

    def host_data(self, host: int) -> Path:
        """Channels of one of several hosts; the first has the usual place."""
        return self.data if host == 0 else self.folder / "ml" / "hosts" / f"algo-{host + 1}" / DATA

    def pipe_source(self, channel: str) -> Path:
        """Objects of a channel that the program gets through a pipe."""
        return self.folder / "ml" / "input" / PIPES / channel

    @property
    def outside(self) -> Path:
        """Files that appear outside /opt/ml."""
        return self.folder / _OUTSIDE

    def create(self) -> None:
        """Make all folders."""
        inner = [self.folder / "ml" / name for name in ("model", "output", "code", "checkpoints")]
        for path in (
            *inner, self.data, self.config, self.code, self.model, self.output / "data", self.checkpoints, self.outside
        ):  # fmt: skip
            path.mkdir(parents=True, exist_ok=True)

    def mounts(self) -> tuple[Mount, ...]:
        """What the program sees; an outer folder comes before those that lie in it."""
        inner = {"model": self.model, "output": self.output, "code": self.code}
        return (
            Mount(path=str(self.folder / "ml"), is_writable=True, target=ROOT),
            *(Mount(path=str(path), is_writable=True, target=f"{ROOT}/{name}") for name, path in inner.items()),
            Mount(path=str(self.checkpoints), is_writable=True, target=self.checkpoint_path),
        )

    def failure(self) -> str:
        """What the program itself wrote about its failure; empty if it wrote nothing."""
        path = self.output / "failure"
        if path.is_symlink() or not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(_LONGEST_FAILURE_BYTES).decode(errors="replace").strip()
