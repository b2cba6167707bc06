"""What can staff ask about stock?"""

from datetime import datetime
from typing import Any, cast

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.graphql.context import Info, sent
from headless.graphql.declare import query
from headless.graphql.inventory.types import (
    InventoryLevel,
    InventoryMovement,
    InventoryTransfer,
    Location,
    StockRequest,
    find_transfer,
)
from headless.graphql.pages import Connection, page
from headless.inventory import lists, queries
from headless.inventory.lists import LevelFilter, MovementFilter
from headless.inventory.transfers import TransferStatus
from headless.inventory.waiting import RequestStatus
from headless.platform import ids
from headless.platform.errors import NotFound
from headless.platform.pages import Window, window


@strawberry.type
class InventoryQueries:
    @query(requires=Permission.READ_INVENTORY)
    async def locations(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[Location] | None:
        """Locations in the order in which they give their stock."""
        wanted = _window(first, after, last, before)
        async with info.context.reading() as session:
            return cast("Connection[Location]", page(await queries.location_page(session, wanted)))

    @query(requires=Permission.READ_INVENTORY)
    async def inventory_levels(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        variant_id: strawberry.ID | None = UNSET,
        location_id: strawberry.ID | None = UNSET,
        product_id: strawberry.ID | None = UNSET,
        sku: str | None = UNSET,
        available_below: int | None = UNSET,
        negative_available: bool | None = UNSET,
    ) -> Connection[InventoryLevel] | None:
        """Stock by variant and location; `negativeAvailable` finds where more was promised than there is."""
        wanted = _window(first, after, last, before)
        levels = LevelFilter(
            variant_id=_decoded("variant", variant_id),
            location_id=_decoded("location", location_id),
            product_id=_decoded("product", product_id),
            sku=sent(sku),
            available_below=sent(available_below),
            is_negative=sent(negative_available),
        )
        async with info.context.reading() as session:
            return cast("Connection[InventoryLevel]", page(await lists.level_page(session, wanted, levels)))

    @query(requires=Permission.READ_INVENTORY)
    async def inventory_movements(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        variant_id: strawberry.ID | None = UNSET,
        location_id: strawberry.ID | None = UNSET,
        name: str | None = UNSET,
        reason: str | None = UNSET,
        reference_document_uri: str | None = UNSET,
        group_id: strawberry.ID | None = UNSET,
        actor: str | None = UNSET,
        since: datetime | None = UNSET,
        until: datetime | None = UNSET,
    ) -> Connection[InventoryMovement] | None:
        """The ledger, newest first; `since` is the first instant that counts, `until` the first that doesn't."""
        wanted = _window(first, after, last, before)
        movements = MovementFilter(
            variant_id=_decoded("variant", variant_id),
            location_id=_decoded("location", location_id),
            name=sent(name),
            reason=sent(reason),
            reference=sent(reference_document_uri),
            group_id=_decoded("movement_group", group_id),
            actor=sent(actor),
            since=sent(since),
            until=sent(until),
        )
        async with info.context.reading() as session:
            return cast("Connection[InventoryMovement]", page(await lists.movement_page(session, wanted, movements)))

    @query(requires=Permission.READ_INVENTORY)
    async def inventory_transfer(self, info: Info, id: strawberry.ID) -> InventoryTransfer | None:
        """A transfer by its id."""
        found = await find_transfer(info, ids.decode("transfer", id))
        if found is None:
            raise NotFound
        return cast("InventoryTransfer", found)

    @query(requires=Permission.READ_INVENTORY)
    async def inventory_transfers(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        status: TransferStatus | None = UNSET,
    ) -> Connection[InventoryTransfer] | None:
        """Transfers, newest first."""
        wanted = _window(first, after, last, before)
        async with info.context.reading() as session:
            found = await lists.transfer_page(session, wanted, status=sent(status))
        return cast("Connection[InventoryTransfer]", page(found))

    @query(requires=Permission.READ_INVENTORY)
    async def stock_requests(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        variant_id: strawberry.ID | None = UNSET,
        status: RequestStatus | None = UNSET,
    ) -> Connection[StockRequest] | None:
        """Who waits for what, in the order of asking."""
        wanted = _window(first, after, last, before)
        variant = _decoded("variant", variant_id)
        async with info.context.reading() as session:
            found = await lists.request_page(session, wanted, variant_id=variant, status=sent(status))
        return cast("Connection[StockRequest]", page(found))


def _window(first: int | None, after: str | None, last: int | None, before: str | None) -> Window:
    return window(sent(first), sent(after), sent(last), sent(before))


def _decoded(prefix: str, wanted: str | None) -> Any:
    value = sent(wanted)
    return None if value is None else ids.decode(prefix, value)
