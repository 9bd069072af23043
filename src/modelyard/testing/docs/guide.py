"""A page as its reader uses it: its files written down, its commands typed in their order."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]

_PROGRAM = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMANDS = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Guide:
    """A page, named by its path in the clone."""

    def __init__(self, page: str) -> None:
        self._text = (ROOT / page).read_text()

    @property
    def files(self) -> dict[str, str]:
        """The Python blocks that begin with the name of a file, by this name."""
        return dict(_FILE.findall(self._text))

    @property
    def programs(self) -> list[str]:
        """All Python blocks."""
        return _PROGRAM.findall(self._text)

    @property
    def commands(self) -> str:
        """All shell blocks, one after the other."""
        return "".join(_COMMANDS.findall(self._text))

    def write_files(self, folder: Path) -> None:
        """Put the files into a folder."""
        for name, content in self.files.items():
            (folder / name).write_text(content)

    def follow(self, folder: Path, home: Path, *, seconds: float, instead: Mapping[str, str] | None = None) -> str:
        """Write the files, and type the commands in one shell which ends at the first that fails.

        Args:
            folder: where the reader sits.
            home: state directory of the platform that is asked.
            seconds: it may take so long.
            instead: words of the commands, and what is typed in their place.

        Returns:
            What the commands printed.

        Raises:
            AssertionError: one failed, or the page does not say what is to be replaced.
        """
        self.write_files(folder)
        commands = self.commands
        for words, others in (instead or {}).items():
            if words not in commands:
                raise AssertionError(f"the page does not say '{words}'")
            commands = commands.replace(words, others)
        done = subprocess.run(
            ["sh", "-euxc", commands],
            cwd=folder,
            env=os.environ
            | {"MODELYARD_HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        return done.stdout
