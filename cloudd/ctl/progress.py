"""What a person sees while stages run: a live bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Display(Protocol):
    """Something that shows where a run is."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def stage(self, name: str, done: float, total: float) -> None:
        """A new stage begins: `done` of `total` are behind it."""

    def task(self, name: str) -> None:
        """A new task of the present stage begins."""

    def say(self, text: str) -> None:
        """A line that stays."""


class Bar:
    """A live bar: the stage, how far the run is, the time, and beneath it the task at hand."""

    def __init__(self, title: str, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.fields[stage]}"),
            BarColumn(bar_width=28),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[task]}", table_column=None),
            console=self._console,
            transient=True,
        )
        self._row = self._progress.add_task("", total=1, stage=title, task="")
        self._live: Live = self._progress.live

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def stage(self, name: str, done: float, total: float) -> None:
        """Move the bar to a new stage."""
        self._progress.update(self._row, stage=name, completed=done, total=max(total, 1), task="")

    def task(self, name: str) -> None:
        """Show the task at hand, cut to what the line holds."""
        room = max(self._console.width - 70, 16)
        self._progress.update(self._row, task=name if len(name) <= room else name[: room - 1] + "…")

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(text, markup=False, highlight=False)


class Lines:
    """One line for each stage and task, with the seconds since the start: for logs, pipes and CI."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._start = time.monotonic()
        self._stage = title

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def stage(self, name: str, done: float, total: float) -> None:
        """Print the stage's line."""
        self._stage = name
        self.say(f"[{int(done) + 1}/{max(int(total), int(done) + 1)}] {name}")

    def task(self, name: str) -> None:
        """Print the task's line."""
        self.say(f"    {name}")

    def say(self, text: str) -> None:
        """Print a line with the time since the start."""
        print(f"{time.monotonic() - self._start:7.1f}s {text}", file=sys.stderr, flush=True)


def display(title: str) -> Display:
    """The display that fits where standard error goes."""
    return Bar(title) if sys.stderr.isatty() else Lines(title)
