"""How are products set each in a transaction of its own, or several in one?"""

from __future__ import annotations

from collections.abc import Sequence

from headless.catalog import listing
from headless.catalog import queries as catalog_queries
from headless.catalog import service as catalog
from headless.merchandising.batches import Stopped
from headless.merchandising.setting import Hand, Identifier, ProductWish, SetProduct, put
from headless.platform.db import Database, Session
from headless.platform.errors import Refusal, Refused, Taken


class _DryRunEnds(Exception):
    """Nothing of a dry run is kept."""


async def put_alone(database: Database, wish: ProductWish, hand: Hand, *, is_dry_run: bool = False) -> SetProduct:
    """Do what `put` does in a transaction of its own, and once more when another one made the product meanwhile."""
    try:
        return await _put_alone(database, wish, hand, is_dry_run=is_dry_run)
    except Taken:
        return await _put_alone(database, wish, hand, is_dry_run=is_dry_run)


async def _put_alone(database: Database, wish: ProductWish, hand: Hand, *, is_dry_run: bool) -> SetProduct:
    made: SetProduct | None = None
    try:
        async with database.transaction() as session:
            made = await put(session, wish, hand)
            if is_dry_run:
                raise _DryRunEnds
    except _DryRunEnds:
        pass
    assert made is not None  # noqa: S101 - else something else was raised
    return made


async def put_together(database: Database, hand: Hand, wishes: Sequence[ProductWish]) -> list[SetProduct]:
    """Do what `put` does with several, one after the other, in one transaction; raises `Stopped` at what is refused."""
    made: list[SetProduct] = []
    async with database.transaction() as session:
        await _hold(session, [wish.identifier for wish in wishes])
        for index, wish in enumerate(wishes):
            try:
                made.append(await put(session, wish, hand))
            except (Refusal, Refused):
                raise Stopped(index) from None
    return made


async def _hold(session: Session, named: Sequence[Identifier]) -> None:
    """Have the products that are there to oneself, in the order that everybody takes them in."""
    handles = await catalog_queries.products_by_handle(session, [one.handle for one in named if one.handle])
    references = [one.external_reference.strip() for one in named if one.external_reference]
    by_reference = await catalog_queries.products_by_reference(session, references)
    product_ids = {*handles.values(), *by_reference.values(), *(one.id for one in named if one.id is not None)}
    await catalog.lock_products(session, sorted(product_ids))
    await listing.lock_listings(session, sorted(product_ids))
