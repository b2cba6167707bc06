"""Which commands do operators have? Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headless.cli import exporting, running

if TYPE_CHECKING:
    from headless.merchandising.importing import ImportReport
    from headless.merchandising.shopify_rows import RowProblem

app = typer.Typer(
    help="A headless commerce server. Every setting is an environment variable, HEADLESS_<NAME>.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its help takes three times as long
)
imports = typer.Typer(help="Bring data into the shop.", no_args_is_help=True)
tokens = typer.Typer(help="Make, list and revoke API tokens.", no_args_is_help=True)
doctors = typer.Typer(help="Check whether everything is in order.", invoke_without_command=True)
app.add_typer(doctors, name="doctor")
app.add_typer(imports, name="import")
app.add_typer(exporting.exports, name="export")
app.add_typer(tokens, name="token")


def main() -> None:
    """Run the command line."""
    # What is imported stays: looking through it again and again is time that whoever starts a server waits for.
    gc.set_threshold(20_000, 20, 20)
    try:
        app()
    except running.Stop as stop:
        print(f"headless: {stop}", file=sys.stderr)
        sys.exit(2)


@app.command()
def dev() -> None:
    """Run a shop on this machine.

    Embedded database, demo catalog if it is empty, worker inside; never touches an existing shop. Ctrl-C ends it.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from headless.cli import development

    with suppress(KeyboardInterrupt):
        development.run()


@app.command()
def serve() -> None:
    """Serve the API.

    Background work is done by `headless worker`.
    """
    settings = running.settings_from_environment()
    if not settings.secrets:
        raise running.Stop(
            "HEADLESS_SECRET_KEY is not set. Set it to a long random text, such as `openssl rand -hex 32` prints."
        )
    listener = running.listen(settings)
    running.run(running.check_schema(settings), settings)
    running.serve(settings, listener, with_worker=False)


@app.command()
def worker() -> None:
    """Do the background work.

    It expires checkouts and settles payments; run one beside `headless serve`, or several.
    """
    settings = running.settings_from_environment()
    running.run(running.check_schema(settings), settings)
    running.run(running.work(settings), settings)


@app.command()
def migrate() -> None:
    """Bring the database to this version.

    Opens a shop if there is none.
    """
    settings = running.settings_from_environment()
    running.make_data_dir(settings)
    running.run(running.migrate(settings, print), settings)


@app.command()
def seed(
    products: Annotated[
        int | None, typer.Option(help="Generate a catalog of so many products instead, to measure with.", min=1)
    ] = None,
) -> None:
    """Fill an empty shop with the demo catalog.

    A shop that was ever used is never touched, unless `--products` is given: then generated products are added until
    there are so many; a run that was cut short is gone on with.
    """
    from headless.cli import growing

    settings = running.settings_from_environment()
    running.make_data_dir(settings)

    async def fill() -> None:
        await running.migrate_if_empty(settings)
        async with running.opened(settings) as database:
            if products is None:
                await running.seed(database, settings, print)
                return
            with growing.progress() as show:
                made = await growing.grow(database, products, show)
        print(f"{made} products made; there are {products} generated ones at least.")

    running.run(fill(), settings)


@imports.command("products")
def import_products(
    file: Annotated[Path, typer.Argument(help="A product file in Shopify's CSV format.", show_default=False)],
    channel: Annotated[str | None, typer.Option(help="The channel of prices and publication.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and keep nothing.")] = False,
    stock: Annotated[bool, typer.Option("--stock", help="Set the stock of known variants, too.")] = False,
) -> None:
    """Make or update products from a CSV file.

    Products are known by their handles. Rows with problems are named and left out; the exit code is then 1.
    """
    from headless.merchandising import importing, opening, shopify_csv

    settings = running.settings_from_environment()
    running.make_data_dir(settings)

    async def bring_in() -> ImportReport:
        await running.migrate_if_empty(settings)
        with _readable(file) as raw, shopify_csv.decode(raw) as text:
            async with running.opened(settings) as database:
                await opening.open_default_shop(database)
                with _progress(raw) as show:
                    return await importing.import_products(
                        database,
                        shopify_csv.read(text),
                        channel_handle=channel,
                        is_dry_run=dry_run,
                        with_stock=stock,
                        media_url=f"{settings.base_url}/media/",
                        on_progress=show,
                    )

    report = running.run(bring_in(), settings)
    _name_problems(report.problems)
    kept = "Dry run, nothing was kept. " if dry_run else ""
    print(
        f"{kept}Products: {report.created} created, {report.updated} updated, {report.unchanged} unchanged, "
        f"{report.refused} refused. Problems: {len(report.problems)}."
    )
    _end_with(report.problems)


@imports.command("stock")
def import_stock(
    file: Annotated[Path, typer.Argument(help="A CSV file: SKU, Location, On hand or Available.", show_default=False)],
    location: Annotated[str | None, typer.Option(help="The location of rows that name none.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and keep nothing.")] = False,
    skip_errors: Annotated[bool, typer.Option("--skip-errors", help="Leave rows with problems out.")] = False,
) -> None:
    """Set stock to what a CSV file says.

    Shopify's inventory export is understood, too. Rows with problems are named, and then nothing is written; the exit
    code is 1.
    """
    from headless.merchandising import stock_csv, stock_importing
    from headless.merchandising.stock_importing import StockReport

    settings = running.settings_from_environment()

    async def bring_in() -> StockReport:
        with _readable(file) as raw, stock_csv.decode(raw) as text:
            async with running.opened(settings) as database:
                return await stock_importing.import_stock(
                    database,
                    stock_csv.read(text),
                    location=location,
                    is_dry_run=dry_run,
                    skips_errors=skip_errors,
                )

    report = running.run(bring_in(), settings)
    _name_problems(report.problems)
    kept = "Dry run, nothing was kept. " if dry_run else ""
    if report.problems and not (dry_run or skip_errors or report.changed):
        kept = "Nothing was written. "
    print(
        f"{kept}Quantities: {report.changed} changed, {report.unchanged} unchanged. Problems: {len(report.problems)}."
    )
    _end_with(report.problems)


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    from headless.graphql.schema import sdl

    print(sdl().rstrip("\n"))


@tokens.command("create")
def create_token(
    name: Annotated[str, typer.Option(help="What the token is for.", show_default=False)],
    permission: Annotated[list[str] | None, typer.Option("--permission", "-p", help="Repeat it for several.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Grant every permission.")] = False,
    expires_at: Annotated[
        datetime | None, typer.Option(help="When it stops being valid, in UTC; without it never.", show_default=False)
    ] = None,
) -> None:
    """Make an API token and print it.

    It stands alone on standard output, and is never shown again.
    """
    from headless.accounts import service
    from headless.accounts.rules import Permission
    from headless.platform.errors import Refusal

    if every == bool(permission):
        raise running.Stop("Say what the token may do: either --permission, once or several times, or --all.")
    wanted = [text.upper() for text in permission or Permission]
    unknown = [text for text in wanted if text not in set(Permission)]
    if unknown:
        raise running.Stop(f"There is no permission {', '.join(unknown)}. There are: {', '.join(Permission)}.")
    settings = running.settings_from_environment()

    async def make() -> str:
        async with running.opened(settings) as database, database.transaction() as session:
            return await service.create_token(
                session,
                name=name,
                permissions=[Permission(text) for text in wanted],
                expires_at=expires_at.replace(tzinfo=UTC) if expires_at else None,
            )

    try:
        print(running.run(make(), settings))
    except Refusal as refusal:
        raise running.Stop(refusal.message) from None


@tokens.command("list")
def list_tokens() -> None:
    """List the API tokens.

    Their texts are not kept.
    """
    from rich.console import Console
    from rich.table import Column, Table

    from headless.accounts import queries
    from headless.accounts.rules import Permission
    from headless.platform import ids

    settings = running.settings_from_environment()

    async def read() -> Any:
        async with running.opened(settings) as database, database.reading() as session:
            return await queries.all_tokens(session)

    table = Table(Column("Id", no_wrap=True), "Name", "May", "Made", "Expires", "Revoked", box=None)
    for row in running.run(read(), settings):
        may = "everything" if set(row.permissions) >= set(Permission) else ", ".join(row.permissions)
        dates = (f"{at:%Y-%m-%d}" if at else "" for at in (row.created_at, row.expires_at, row.revoked_at))
        table.add_row(ids.encode("token", row.id), row.name, may, *dates)
    Console(markup=False, width=None if sys.stdout.isatty() else 1000).print(table)


@tokens.command("revoke")
def revoke_token(
    token_id: Annotated[str, typer.Argument(help="An id from `headless token list`.", show_default=False)],
) -> None:
    """Withdraw an API token at once."""
    from headless.accounts import service
    from headless.platform import ids
    from headless.platform.errors import NotFound

    settings = running.settings_from_environment()

    async def withdraw() -> None:
        async with running.opened(settings) as database, database.transaction() as session:
            await service.revoke_token(session, ids.decode("token", token_id))

    try:
        running.run(withdraw(), settings)
    except NotFound:
        raise running.Stop(f"There is no valid token {token_id}. `headless token list` shows them.") from None


@doctors.callback()
def doctor(context: typer.Context) -> None:
    """Check whether everything is in order.

    Configuration, database, schema, shop and stock books; the exit code is 1 when something is wrong. `doctor books`
    checks every promise about stock, orders, money and events.
    """
    if context.invoked_subcommand is not None:
        return
    from rich.console import Console
    from rich.table import Table

    from headless.cli import doctoring

    table = Table("", "Check", "Found", box=None)
    is_well = True
    for name, found in doctoring.findings():
        is_well = is_well and not isinstance(found, running.Stop)
        table.add_row("✗" if isinstance(found, running.Stop) else "✓", name, str(found))
    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 1000).print(table)
    if not is_well:
        raise typer.Exit(1)


@doctors.command("catalog")
def check_catalog(
    repair: Annotated[bool, typer.Option("--repair", help="Write anew what differs.")] = False,
) -> None:
    """Compare what is kept beside the products with a recomputation from scratch.

    Search index, facets, prices and availability in lists, units sold, collections by rules, what is bought together.
    The exit code is 0 when all is equal or was made so, 1 when something differs.
    """
    from headless.cli import doctoring

    if not doctoring.check_catalog(running.settings_from_environment(), with_repair=repair):
        raise typer.Exit(1)


@doctors.command("books")
def check_books(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as one JSON document.")] = False,
) -> None:
    """Check the books: stock, orders, money and events.

    The exit code is 0 when they balance, 1 when something is wrong, 2 when they can't be checked. Nothing is changed.
    """
    from headless.cli import doctoring

    found = doctoring.check_books(running.settings_from_environment())
    if as_json:
        print(doctoring.as_json(found))
    else:
        doctoring.print_books(found)
    if any(finding.violations for finding in found):
        raise typer.Exit(1)


def _name_problems(problems: Sequence[RowProblem]) -> None:
    for problem in problems:
        where = f"line {problem.line}, {problem.column}" if problem.column else f"line {problem.line}"
        print(f"{where}: {problem.message}", file=sys.stderr)


def _end_with(problems: Sequence[RowProblem]) -> None:
    if problems:
        is_unreadable = problems[0].line == 1  # where the names of the columns should be
        raise typer.Exit(2 if is_unreadable else 1)


@contextmanager
def _readable(path: Path) -> Iterator[Any]:
    import io

    try:
        raw = path.open("rb")
    except OSError as error:
        raise running.Stop(f"{path} can't be read: {error.strerror}.") from None
    with raw:
        yield raw if raw.seekable() else io.BytesIO(raw.read())


@contextmanager
def _progress(raw: Any) -> Iterator[Callable[[ImportReport], None]]:
    """Show on a terminal how much of a file is done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        place = raw.tell()
        task = bar.add_task("Products", total=raw.seek(0, os.SEEK_END))
        raw.seek(place)

        def show(report: ImportReport) -> None:
            done = report.created + report.updated + report.unchanged + report.refused
            bar.update(task, completed=raw.tell(), description=f"{done} products")

        yield show
