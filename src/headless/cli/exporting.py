"""How does the catalog leave the shop as a file?"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from headless.cli import running

if TYPE_CHECKING:
    from collections.abc import Iterator

exports = typer.Typer(help="Take data out of the shop.", no_args_is_help=True)


@exports.callback()
def export() -> None:
    """Take data out of the shop."""


@exports.command("products")
def export_products(
    file: Annotated[Path | None, typer.Argument(help="Where to write; by default standard output.")] = None,
    channel: Annotated[str | None, typer.Option(help="The channel of prices and publication.")] = None,
) -> None:
    """Write the products as a CSV file in Shopify's format.

    What `import products` reads back to the same. Stock is that of the first active location.
    """
    from headless.merchandising import exporting, importing

    settings = running.settings_from_environment()

    async def take_out() -> tuple[int, int]:
        products = left_out = 0
        async with running.opened(settings) as database:
            terms = await importing.terms_of(database, channel_handle=channel, media_url=f"{settings.base_url}/media/")
            with _written(file) as text:
                async for part, page in exporting.csv_parts(database, terms):
                    text.write(part)
                    products += len(page.products)
                    left_out += page.left_out
        return products, left_out

    products, left_out = running.run(take_out(), settings)
    without = f" {left_out} variants without a price in this channel were left out." if left_out else ""
    print(f"{products} products written.{without}", file=sys.stderr)


@contextmanager
def _written(path: Path | None) -> Iterator[TextIO]:
    """Write to standard output, or beside the file and then over it: nobody sees half a catalog."""
    if path is None:
        with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", newline="") as text:
            yield text
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with beside.open("x", encoding="utf-8", newline="") as text:
                yield text
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise running.Stop(f"{path} can't be written: {error.strerror}.") from None
