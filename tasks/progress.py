"""Progress bars on standard error; silent where nobody looks."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

#: Words are printed as they are: `[all, [rgb]]` is no markup.
CONSOLE = Console(stderr=True, markup=False)


def say(text: str) -> None:
    """A line for the person who watches. Flows use it, for a console cannot be sent to another process with them."""
    CONSOLE.print(text)


def hush() -> None:
    """Say nothing from now on: what one of several workers says would mix with what the others do."""
    CONSOLE.quiet = True


class Progress:
    """One bar: ``total`` units of work, with a note beside it."""

    def __init__(self, title: str, total: int) -> None:
        self._bars = Bars(
            TextColumn("{task.description:<26}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=CONSOLE,
            disable=not CONSOLE.is_terminal,
        )
        self._task = self._bars.add_task(title, total=total, note="")
        self._title, self._note = title, ""

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()
        if self._bars.disable and error is None:
            CONSOLE.print(f"{self._title}: done  {self._note}".rstrip(), soft_wrap=True)

    def reach(self, done: int, total: int, note: str) -> None:
        """So much of so much is done."""
        self._note = note
        self._bars.update(self._task, completed=done, total=total, note=note)

    def advance(self, units: int = 1, note: str = "") -> None:
        """So much more is done."""
        self._note = note or self._note
        self._bars.update(self._task, advance=units, note=note)
