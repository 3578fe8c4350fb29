"""How far long work is: a bar with the time left on a terminal, plain lines otherwise, both on standard error."""

import contextlib
import sys
from collections.abc import Callable, Iterator

Tell = Callable[[str, float], None]


@contextlib.contextmanager
def progress(quiet: bool) -> Iterator[Tell | None]:
    """What to call with a stage and the share of it that is done. None where nothing shall be shown."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar() as tell:
            yield tell
    else:
        yield _Lines()


@contextlib.contextmanager
def _bar() -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<12}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:

        def tell(stage: str, share: float) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=1.0)
            bar.update(tasks[stage], completed=share)

        yield tell


class _Lines:
    """A line when a stage begins and when it ends."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}

    def __call__(self, stage: str, share: float) -> None:
        before = self._seen.get(stage, -1.0)
        if before < 0 or (share >= 1 > before):
            print(f"{stage} {'done' if share >= 1 else '...'}", file=sys.stderr, flush=True)
        self._seen[stage] = share
