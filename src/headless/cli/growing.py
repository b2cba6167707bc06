"""How does an operator see a generated catalog grow?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headless.merchandising.generated import Progress
    from headless.platform.db import Database


async def grow(database: Database, products: int, show: Callable[[Progress], None]) -> int:
    from headless.merchandising import generated

    return await generated.grow(database, products, on_progress=show)


@contextmanager
def progress() -> Iterator[Callable[[Progress], None]]:
    """Show on a terminal how many products are there."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("Products", total=None)

        def show(made: Progress) -> None:
            bar.update(task, completed=made.done, total=made.total)

        yield show
