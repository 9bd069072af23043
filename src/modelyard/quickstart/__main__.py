"""Run the quickstart: `python -m modelyard.quickstart [--home DIR] [--stop]`. Exit code 0: every check held."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from modelyard.errors import ModelyardError
from modelyard.quickstart.platform import start_platform, stop_platform
from modelyard.quickstart.story import Story, Summary
from modelyard.types.processes import EngineKind


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="modelyard quickstart", description=__doc__)
    parser.add_argument("--home", type=Path, default=Path.home() / ".modelyard-quickstart", help="state directory")
    parser.add_argument("--engine", choices=[*map(str, EngineKind)], help="where processes run; local if not given")
    parser.add_argument("--container-socket", help="API of Docker or Podman, for --engine container")
    parser.add_argument("--ray-address", help="host:port of the cluster's head, for --engine ray")
    parser.add_argument("--stop", action="store_true", help="end the platform afterwards instead of leaving it running")
    arguments = parser.parse_args()
    home = arguments.home.expanduser().absolute()
    console = Console(highlight=False)
    try:
        seconds, story = _tell(home, console, _options(arguments))
    except (ModelyardError, KeyboardInterrupt) as error:
        console.print(f"[red]{getattr(error, 'message', 'interrupted')}[/red] {getattr(error, 'hint', '')}")
        stop_platform(home)
        return 1
    _print_summary(console, story.summary, story, home, seconds, is_stopped=arguments.stop)
    if arguments.stop:
        stop_platform(home)
    return 0


def _options(arguments: argparse.Namespace) -> list[str]:
    """For `modelyard up`."""
    names = ("engine", "container_socket", "ray_address")
    given = {f"--{name.replace('_', '-')}": getattr(arguments, name) for name in names}
    return [word for option, value in given.items() if value for word in (option, value)]


def _tell(home: Path, console: Console, options: list[str]) -> tuple[float, Story]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    started = time.monotonic()
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=1.0)

        def advance(share: float, line: str) -> None:
            progress.update(bar, completed=share, description=line)

        story = Story(
            lambda: start_platform(home, options),
            lambda line: progress.console.print(f"   {line}", markup=False, soft_wrap=True),
            advance,
        )
        try:
            for number, (purpose, step) in enumerate(story.steps(), 1):
                progress.console.print(f"[bold]{number:2}. {purpose}[/bold]", soft_wrap=True)
                progress.reset(bar, total=1.0, description="working")
                step()
        finally:
            story.close()
    return time.monotonic() - started, story


def _print_summary(
    console: Console, summary: Summary, story: Story, home: Path, seconds: float, *, is_stopped: bool
) -> None:
    requests, failures, times = story.traffic()
    table = Table(title=f"11. The whole life of a model in {seconds:.0f} s", show_header=False, title_justify="left")
    for name, value in (
        ("accuracy on held-out images", summary.holdout),
        ("accuracy before", f"{summary.before.accuracy:.3f}"),
        ("accuracy under drift", f"{summary.under_drift.accuracy:.3f}"),
        ("accuracy after", f"{summary.after.accuracy:.3f}"),
        ("requests, failures", f"{requests}, {failures}"),
        ("latency p50, p99", f"{np.percentile(times, 50) * 1000:.1f} ms, {np.percentile(times, 99) * 1000:.1f} ms"),
        (
            "requests during the switch, failures",
            f"{len(summary.switching.seconds)}, {len(summary.switching.failures)}",
        ),
        ("versions", f"{summary.old_version} -> {summary.new_version}"),
    ):
        table.add_row(name, value)
    console.print(table)
    if is_stopped:
        return
    console.print(f"API pages:  {summary.url}/", soft_wrap=True)
    console.print(f"Token:      {(home / 'admin.token').read_text().strip()}", soft_wrap=True)
    console.print(f"Look around: modelyard status --home {home}", soft_wrap=True)
    console.print(f"Stop it:     modelyard down --home {home}", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
