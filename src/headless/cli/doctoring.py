"""Is everything in order?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headless.cli import running

if TYPE_CHECKING:
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
        ("Stock books", _find_books),
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
    from headless.inventory import queries
    from headless.platform import ids

    async with running.opened(settings) as database, database.reading() as session:
        wrong = await queries.mismatches(session)
    if wrong:
        first = ids.encode("variant", wrong[0].variant_id)
        raise running.Stop(f"{len(wrong)} stock levels differ from their ledger; the first is of {first}.")
    return "every stock level is the sum of its movements"
