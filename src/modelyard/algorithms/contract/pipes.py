"""Feeds the channels of the input mode Pipe: `python -I pipes.py ROOT`, beside the program.

Each channel is a FIFO for each epoch, `<channel>_0`, `<channel>_1`, ...: a reader gets all objects of the channel one
behind the other, then the end; and the FIFO of the next epoch is there before that. With a record wrapper each object
is a RecordIO record; of an augmented manifest each attribute of each line is one. Standard library only: it is run by
its path.

Source: docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html, "Pipe mode".
"""

import json
import os
import random
import shutil
import struct
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TypeVar

SOURCES = "pipes"
SETTINGS = "pipes.json"
_MAGIC = 0xCED7230A
_REFERENCE = "-ref"
_Thing = TypeVar("_Thing")


class Pipe:
    """One channel.

    Args:
        data: folder of the FIFOs.
        source: folder of the channel's objects.
        is_wrapped: each object becomes a record.
        shuffle_seed: of the order of the objects, another one in each epoch; None: that of their names.
    """

    def __init__(self, data: Path, source: Path, *, is_wrapped: bool, shuffle_seed: int | None) -> None:
        self._data = data
        self._source = source
        self._is_wrapped = is_wrapped
        self._shuffle_seed = shuffle_seed

    def open(self, epoch: int) -> None:
        """Make the FIFO of an epoch."""
        path = self.path(epoch)
        if not path.exists():
            os.mkfifo(path)

    def path(self, epoch: int) -> Path:
        """The FIFO of an epoch."""
        return self._data / f"{self._source.name}_{epoch}"

    def feed(self) -> None:
        """Epoch after epoch, until the process ends."""
        epoch = 0
        while True:
            with suppress(BrokenPipeError), self.path(epoch).open("wb") as pipe:  # waits for a reader
                self._write(pipe, epoch)
                self.open(epoch + 1)  # before the reader sees the end of this one
            self.open(epoch + 1)  # also if the reader has had enough
            epoch += 1

    def _write(self, pipe: IO[bytes], epoch: int) -> None:
        manifest = self._data / f"{self._source.name}-manifest"
        if manifest.is_file() and self._is_wrapped:
            for content in self._attributes(manifest, epoch):
                pipe.write(record(content))
            return
        for path in self._order(sorted(each for each in self._source.rglob("*") if each.is_file()), epoch):
            if self._is_wrapped:
                pipe.write(record(path.read_bytes()))
            else:
                with path.open("rb") as file:
                    shutil.copyfileobj(file, pipe, 1 << 20)

    def _attributes(self, manifest: Path, epoch: int) -> Iterator[bytes]:
        """Of each line, in the order in which the job names its attributes."""
        for line in self._order(manifest.read_text(encoding="utf-8").splitlines(), epoch):
            for name, value in json.loads(line).items():
                if name.endswith(_REFERENCE):
                    key = str(value).removeprefix("s3://").partition("/")[2]
                    yield (self._source / key).read_bytes()
                else:
                    yield json.dumps(value).encode()

    def _order(self, things: list[_Thing], epoch: int) -> Sequence[_Thing]:
        if self._shuffle_seed is not None:
            random.Random(self._shuffle_seed + epoch).shuffle(things)  # noqa: S311 - an order, no secret
        return things


def record(content: bytes) -> bytes:
    """A RecordIO record."""
    return struct.pack("<II", _MAGIC, len(content)) + content + b"\0" * (-len(content) % 4)


def pipes_of(root: Path) -> list[Pipe]:
    """What the platform has written down about the channels of this mode."""
    settings = root / "input" / "config" / SETTINGS
    if not settings.is_file():
        return []
    return [
        Pipe(
            root / "input" / "data",
            root / "input" / SOURCES / name,
            is_wrapped=given["is_wrapped"],
            shuffle_seed=given["shuffle_seed"],
        )
        for name, given in json.loads(settings.read_text(encoding="utf-8")).items()
    ]


def main(root: Path) -> None:
    """Feed all channels; says "ready" when their first FIFOs are there."""
    pipes = pipes_of(root)
    for pipe in pipes:
        pipe.open(0)
    threads = [threading.Thread(target=pipe.feed) for pipe in pipes]
    for thread in threads:
        thread.start()
    print("ready", flush=True)  # noqa: T201 - who has started it waits for that
    sys.stdout.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
