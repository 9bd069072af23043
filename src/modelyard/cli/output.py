"""Answers on the screen: tables for people, JSON for programs, progress on standard error."""

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from modelyard.errors import ModelyardError

_PIPE_WIDTH = 160
_GOOD = ("READY", "COMPLETED", "NO_DRIFT", "PROMOTED", "RUNNING", "ok")
_BAD = ("FAILED", "DRIFT", "DEGRADED", "REJECTED", "ROLLED_BACK", "fail")


class Output:
    """Writes what a command found. Results go to standard output, everything else to standard error."""

    def __init__(self, *, is_json: bool) -> None:
        self.is_json = is_json
        self._console = _console(sys.stdout)
        self._notes = _console(sys.stderr)

    def table(self, values: Iterable[Any], columns: Mapping[str, Callable[[Any], object]], *, empty: str) -> None:
        """One row per value; as JSON the values themselves. `empty` is said when there are none."""
        found = [*values]
        if self.is_json:
            self._json(found)
            return
        if not found:
            self.note(empty)
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in columns:
            table.add_column(title, overflow="fold")
        for value in found:
            table.add_row(*(_cell(show(value)) for show in columns.values()))
        self._console.print(table)

    def record(self, value: Any, fields: Mapping[str, object]) -> None:
        """One thing, a line per field; fields without a value are left out. As JSON the value itself."""
        if self.is_json:
            self._json(value)
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, shown in fields.items():
            if shown not in (None, "", (), [], {}):
                table.add_row(name, _cell(shown))
        self._console.print(table)

    def line(self, text: str) -> None:
        """A line of a stream: as it is (on a terminal what a terminal can bear), or as a JSON string per line."""
        shown = _encoded(text) if self.is_json else printable(text) if self._console.is_terminal else text
        sys.stdout.write(shown + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """For people only, beside the result."""
        self._notes.print(Text(printable(text)), style="dim" if self._notes.is_terminal else "")

    def done(self, value: Any, text: str) -> None:
        """A command that did something says so in a line; as JSON it shows what it made."""
        if self.is_json:
            self._json(value)
        else:
            self._console.print(Text(printable(text)))

    def error(self, error: ModelyardError) -> None:
        """What went wrong and what to do next."""
        if self.is_json:
            body = {"code": error.code, "message": error.message, "hint": error.hint, "field": error.field}
            sys.stderr.write(_encoded(body) + "\n")
            return
        self._notes.print(Text.assemble(("Error: ", "bold red"), printable(error.message)))
        if error.hint:
            self._notes.print(Text.assemble(("Next:  ", "bold"), printable(error.hint)))

    @contextmanager
    def progress(self, title: str) -> Iterator[Callable[[int, int], None]]:
        """A bar for bytes that move; gives the function to call with (done, all)."""
        if self.is_json or not self._notes.is_terminal:
            yield lambda _done, _total: None
            return
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=self._notes, transient=True) as bars:
            task = bars.add_task(title, total=None)
            yield lambda done, total: bars.update(task, completed=done, total=total)

    @contextmanager
    def waiting(self, title: str) -> Iterator[Callable[[str], None]]:
        """A spinner while something is under way; gives the function that says what it does now."""
        if self.is_json or not self._notes.is_terminal:
            yield lambda _text: None
            return
        with self._notes.status(title) as status:
            yield lambda text: status.update(f"{title}: {text}")

    def _json(self, value: Any) -> None:
        sys.stdout.write(_encoded(value, indent=2) + "\n")


def printable(text: str) -> str:
    """Without control characters: names and logs come from others and must not steer the reader's terminal."""
    return "".join(letter for letter in text if letter in "\n\t" or unicodedata.category(letter) != "Cc")


def when(moment: datetime | None) -> str:
    """A point in time, local and short."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def since(moment: datetime | None) -> str:
    """How long ago, in the largest unit that fits."""
    if moment is None:
        return ""
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return f"{seconds}s ago"


def size(count: int | None) -> str:
    """Bytes as people read them."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":  # noqa: PLR2004
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return ""


def number(value: float | None) -> str:
    """A figure with four digits that matter."""
    return "" if value is None else f"{value:.4g}"


def pairs(values: Mapping[str, Any]) -> str:
    """Names with their values in one line."""
    return " ".join(f"{name}={number(value) if isinstance(value, float) else value}" for name, value in values.items())


def _encoded(value: Any, *, indent: int = -1) -> str:
    import msgspec  # noqa: PLC0415 - 0.05 s that `--help` does not wait for

    return msgspec.json.format(msgspec.json.encode(value), indent=indent).decode()


def _cell(value: object) -> Text:
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = ", ".join(str(item) for item in value)
    text = "" if value is None else number(value) if isinstance(value, float) else str(value)
    style = "green" if text in _GOOD else "red" if text in _BAD else ""
    return Text(printable(text), style=style)


def _console(stream: Any) -> Console:
    console = Console(file=stream, highlight=False)
    return console if console.is_terminal else Console(file=stream, highlight=False, width=_PIPE_WIDTH)
