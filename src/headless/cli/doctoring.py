"""Is everything in order?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from headless.cli import running

if TYPE_CHECKING:
    from headless.operations import catalog as catalog_checks
    from headless.operations.books import Finding
    from headless.settings import Settings


def findings() -> Iterator[tuple[str, str | running.Stop]]:
    try:
        settings = running.settings_from_environment()
    except running.Stop as stop:
        yield "Configuration", stop
        return
    if settings.secrets:
        yield "Configuration", "every setting can be used"
    else:
        yield "Configuration", "can be used; `headless serve` wants HEADLESS_SECRET_KEY, too"
    checks = (
        ("Database", _find_database),
        ("Schema", _find_schema),
        ("Shop", _find_shop),
        ("Books", _find_books),
    )
    for name, check in checks:
        try:
            yield name, running.run(check(settings), settings)
        except running.Stop as stop:
            yield name, stop
            return


async def _find_database(settings: Settings) -> str:
    from headless.platform import schema

    await schema.state(settings.database)
    return running.shown(settings)


async def _find_schema(settings: Settings) -> str:
    await running.check_schema(settings)
    return "is that of this version"


async def _find_shop(settings: Settings) -> str:
    from headless.shop import queries

    async with running.opened(settings) as database, database.reading() as session:
        shop = await queries.shop(session)
        if shop is None:
            raise running.Stop("There is no shop. Run `headless migrate`, or `headless seed` for a demo.")
        channels = await queries.all_channels(session)
    return f"{shop.name}; channels: {', '.join(f'{row.handle} ({row.currency_code})' for row in channels)}"


async def _find_books(settings: Settings) -> str:
    found = await _books(settings)
    broken = [f"{finding.check.name} ({finding.violations})" for finding in found if finding.violations]
    if broken:
        raise running.Stop(f"The books are broken: {', '.join(broken)}. `headless doctor books` shows where.")
    return f"all {len(found)} checks hold"


async def _books(settings: Settings) -> Sequence[Finding]:
    from headless.operations import books

    async with running.opened(settings) as database:
        return await books.find_all(database)


def check_books(settings: Settings) -> Sequence[Finding]:
    """Run every check of the books."""
    return running.run(_books(settings), settings)


def print_books(found: Sequence[Finding]) -> None:
    """Print a table of all checks, then what the broken ones mean and where to look."""
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 1000)
    table = Table("", "Check", "Violations", "Samples", box=None)
    for finding in found:
        samples = ", ".join(sample.id for sample in finding.samples[:3])
        more = ", …" if finding.violations > 3 else ""  # noqa: PLR2004 - as many as were shown
        table.add_row(
            "✗" if finding.violations else "✓", finding.check.name, str(finding.violations), f"{samples}{more}"
        )
    console.print(table)
    for finding in found:
        if finding.violations:
            console.print(f"\n{finding.check.name} ({finding.check.severity}): {finding.check.description}")
            for sample in finding.samples:
                console.print(f"  {sample.id}  {sample.detail}")


def as_json(found: Sequence[Finding]) -> str:
    return json.dumps(
        {
            "violations": sum(finding.violations for finding in found),
            "books": [
                {
                    "name": finding.check.name,
                    "description": finding.check.description,
                    "severity": finding.check.severity,
                    "violations": finding.violations,
                    "samples": [asdict(sample) for sample in finding.samples],
                }
                for finding in found
            ],
        },
        indent=2,
    )


def check_catalog(settings: Settings, *, with_repair: bool) -> bool:
    """Check the catalog, repair it if asked for, print what was found; answer whether all is well in the end."""
    return running.run(_check_catalog(settings, with_repair=with_repair), settings)


async def _check_catalog(settings: Settings, *, with_repair: bool) -> bool:
    from headless.operations import catalog

    async with running.opened(settings) as database:
        found = await catalog.find_all(database)
        _print_catalog(found)
        is_well = not any(finding.problems for finding in found)
        if is_well or not with_repair:
            return is_well
        await catalog.repair(database, found)
        left = await catalog.find_all(database)
        is_well = not any(finding.problems for finding in left)
        print("\nRepaired." if is_well else "\nSome of it differs again: is it being changed? Run it once more.")
        return is_well


def _print_catalog(found: Sequence[catalog_checks.Finding]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 1000)
    table = Table("", "Check", "Differ", "", box=None)
    for finding in found:
        mark, count = "✗" if finding.problems else "✓", str(len(finding.problems))
        table.add_row(mark, finding.check.name, count, finding.check.description)
    console.print(table)
    for finding in found:
        for problem in finding.problems[:10]:
            console.print(f"{finding.check.name}: {finding.shown(problem)}")
