"""How does a test compare what the sets in memory tell with what the database would count?"""

from headless.catalog.search import counting, facets, lists
from headless.catalog.search.facets import Facets
from headless.catalog.search.mirror import Mirror
from headless.catalog.search.wishes import Wish
from headless.graphql.context import COUNTLESS, OF_VARIANTS
from headless.platform import outbox
from headless.platform.db import Database, Session

PATIENCE = 20.0


async def loaded(database: Database) -> Mirror:
    await number(database)
    mirror = Mirror(besides=COUNTLESS, of_variants=OF_VARIANTS)
    await mirror._load(database)
    return mirror


async def number(database: Database) -> None:
    async with database.transaction(patience=PATIENCE) as session:
        while len(await outbox.number(session)) == outbox.BATCH:
            pass


async def told(session: Session, mirror: Mirror, asked: Wish) -> tuple[Facets, int] | None:
    """What the mirror tells, None: the database would have to count."""
    size = await counting.size(session, mirror, asked)
    return None if size is None else (await facets.of(session, asked, mirror), size)


async def assert_is_right(session: Session, mirror: Mirror, *wishes: Wish) -> None:
    for asked in wishes:
        counted = await facets.of(session, asked), await lists.count(session, asked)
        assert await told(session, mirror, asked) == counted, asked


async def assert_is_right_now(database: Database, mirror: Mirror, *wishes: Wish) -> None:
    async with database.reading() as session:
        await assert_is_right(session, mirror, *wishes)
