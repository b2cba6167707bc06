"""Which mutations move money or stock, and how is each asked for: in earnest, otherwise and wrongly?"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ColumnElement, Table, func, select

from headless.checkout.models import checkouts
from headless.fulfillment.models import fulfillments
from headless.inventory.models import movements, transfer_lines
from headless.orders.models import order_lines
from headless.payments.models import payments, refunds
from headless.payments.providers.sandbox import charges
from headless.platform import ids
from tests import builders
from tests.races.street import Patient, Street, variant
from tests.serving import VISA, Answer, Client, Json, codes, edit, new_key, start

UNKNOWN = UUID("018f0000-0000-7000-8000-000000000000")


class Deed(ABC):
    """A mutation that happens once per key."""

    name: ClassVar[str]
    shown: ClassVar[str]
    """Something of the payload that a caller may or may not select."""
    is_staffs: ClassVar[bool] = True

    @abstractmethod
    async def prepare(self, street: Street) -> Json:
        """An input, still without a key, that can be carried out."""

    @abstractmethod
    def other(self, given: Json) -> Json:
        """The input with another argument."""

    @property
    def otherwise(self) -> "Deed":
        """The mutation that takes the other input."""
        return self

    again: ClassVar[str] = "DONE"
    """What is said when it is asked for once more, under no key that is known."""

    def wrong(self, given: Json) -> tuple[Json, str]:
        """The input with something that is refused, and why."""
        raise NotImplementedError

    async def spoil(self, _street: Street, given: Json) -> tuple[Json, str]:
        """An input for the same thing that is refused now, and why; `mend` makes the given one possible again."""
        return self.wrong(given)

    async def mend(self, street: Street, given: Json) -> None:  # noqa: B027 - most need nothing
        """Nothing, where only the input was wrong."""

    @abstractmethod
    async def times(self, street: Street, given: Json) -> int:
        """How often it was carried out."""

    def document(self, shown: str = "", *, times: int = 1) -> str:
        """One operation, or the same several times under aliases."""
        kind = f"{self.name[0].upper()}{self.name[1:]}Input!"
        root = f"{self.name}(input: $input) {{ {shown} userErrors {{ code field }} }}"
        roots = root if times == 1 else " ".join(f"alias{nth}: {root}" for nth in range(times))
        return f"mutation ($input: {kind}) {{ {roots} }}"

    def caller(self, street: Street) -> Patient:
        return street.staff if self.is_staffs else street.buyers

    async def do(
        self, client: Client, given: Json, key: str | None, *, shown: str = "", headers: Mapping[str, str] | None = None
    ) -> Answer:
        wanted = given if key is None else {**given, "idempotencyKey": key}
        return await client.execute(self.document(shown or self.shown), {"input": wanted}, headers=headers)

    def told(self, answer: Answer) -> str:
        """How it went, in a word."""
        return ",".join(codes(answer[self.name])) or ("REPLAYED" if answer.is_replayed else "DONE")


async def count(street: Street, table: Table, *conditions: ColumnElement[bool]) -> int:
    async with street.database.reading() as session:
        return int(await session.scalar(select(func.count()).select_from(table).where(*conditions)) or 0)


async def ready_cart(street: Street) -> str:
    """The id of a cart that nothing stops from being bought, with two of something of which there are ten."""
    _, (thing,) = await street.offer("Thing", 10)
    async with street.database.transaction() as session:
        made = await builders.cart_ready_to_check_out(session, street.shop, {thing: 2})
    return ids.encode("cart", made)


async def order_id(street: Street) -> UUID:
    """A paid order of two of something."""
    _, (thing,) = await street.offer("Thing", 10)
    return await builders.place_order(street.database, street.shop, {thing: 2})


class _CheckoutDeed(Deed):
    is_staffs = False
    shown = "checkout { id status }"

    async def prepare(self, street: Street) -> Json:
        return {"cartId": await ready_cart(street)}

    async def spoil(self, street: Street, given: Json) -> tuple[Json, str]:
        await edit(street.buyers, "cartBuyerIdentityUpdate", cartId=given["cartId"], buyerIdentity={"email": None})
        return given, "EMAIL_MISSING"

    async def mend(self, street: Street, given: Json) -> None:
        identity = {"email": "marie@example.com"}
        await edit(street.buyers, "cartBuyerIdentityUpdate", cartId=given["cartId"], buyerIdentity=identity)

    def other(self, given: Json) -> Json:
        return {**given, "acceptPriceChanges": True}

    async def checkouts(self, street: Street, given: Json, *conditions: ColumnElement[bool]) -> int:
        return await count(street, checkouts, checkouts.c.cart_id == ids.decode("cart", given["cartId"]), *conditions)


class CheckoutStart(_CheckoutDeed):
    name = "checkoutStart"

    async def times(self, street: Street, given: Json) -> int:
        return await self.checkouts(street, given)


class CheckoutCancel(_CheckoutDeed):
    name = "checkoutCancel"

    async def prepare(self, street: Street) -> Json:
        given = await super().prepare(street)
        await self.mend(street, given)
        return given

    def other(self, given: Json) -> Json:
        return given

    @property
    def otherwise(self) -> Deed:
        """Of a cart there is only one thing to cancel: what differs is the mutation."""
        return CheckoutStart()

    async def spoil(self, street: Street, given: Json) -> tuple[Json, str]:
        await edit(street.buyers, "cartNoteUpdate", cartId=given["cartId"], note="this cancels the checkout")
        return given, "CHECKOUT_NOT_STARTED"

    async def mend(self, street: Street, given: Json) -> None:
        assert codes(await start(street.buyers, given["cartId"])) == []

    async def times(self, street: Street, given: Json) -> int:
        edited = 0 if await self.checkouts(street, given) == 1 else 1
        return await self.checkouts(street, given, checkouts.c.status == "CANCELLED") - edited


class CheckoutComplete(_CheckoutDeed):
    name = "checkoutComplete"
    shown = "checkout { id status } order { id number }"

    async def prepare(self, street: Street) -> Json:
        return {"payment": {"provider": "sandbox", "token": VISA}, **await super().prepare(street)}

    async def times(self, street: Street, given: Json) -> int:
        """How often money was taken."""
        mine = (
            select(payments.c.id)
            .join(checkouts, checkouts.c.id == payments.c.checkout_id)
            .where(checkouts.c.cart_id == ids.decode("cart", given["cartId"]))
        )
        return await count(street, charges, charges.c.key.in_(mine), charges.c.status == "CAPTURED")


class FulfillmentCreate(Deed):
    name = "fulfillmentCreate"
    shown = "fulfillment { id status }"

    async def prepare(self, street: Street) -> Json:
        order = await order_id(street)
        async with street.database.reading() as session:
            line = await session.scalar(select(order_lines.c.id).where(order_lines.c.order_id == order))
        assert line is not None
        lines = [{"orderLineId": ids.encode("order_line", line), "quantity": 1}]
        return {"orderId": ids.encode("order", order), "lines": lines}

    def other(self, given: Json) -> Json:
        return {**given, "shipped": False}

    def wrong(self, given: Json) -> tuple[Json, str]:
        return {**given, "lines": [{**given["lines"][0], "quantity": 0}]}, "INVALID_QUANTITY"

    async def times(self, street: Street, given: Json) -> int:
        return await count(street, fulfillments, fulfillments.c.order_id == ids.decode("order", given["orderId"]))


class FulfillmentShip(Deed):
    name = "fulfillmentShip"
    again = "FULFILLMENT_STATUS_INVALID"
    shown = "fulfillment { id status }"

    async def prepare(self, street: Street) -> Json:
        create = FulfillmentCreate()
        given = create.other(await create.prepare(street))
        made = await create.do(street.staff, given, new_key())
        return {"fulfillmentId": made[create.name]["fulfillment"]["id"]}

    def other(self, given: Json) -> Json:
        return {**given, "tracking": {"number": "1"}}

    def wrong(self, given: Json) -> tuple[Json, str]:
        return {**given, "fulfillmentId": ids.encode("fulfillment", UNKNOWN)}, "NOT_FOUND"

    async def times(self, street: Street, given: Json) -> int:
        """How often units of it left the shelf."""
        wanted = ids.decode("fulfillment", given["fulfillmentId"])
        async with street.database.reading() as session:
            order = await session.scalar(select(fulfillments.c.order_id).where(fulfillments.c.id == wanted))
            line = (await session.execute(select(order_lines).where(order_lines.c.order_id == order))).one()
        mine = movements.c.variant_id == line.variant_id
        return await count(street, movements, mine, movements.c.name == "on_hand", movements.c.delta == -1)


class OrderCancel(Deed):
    name = "orderCancel"
    again = "ORDER_NOT_CANCELLABLE"
    shown = "order { id status }"

    async def prepare(self, street: Street) -> Json:
        return {"orderId": ids.encode("order", await order_id(street)), "reason": "CUSTOMER"}

    def other(self, given: Json) -> Json:
        return {**given, "restock": False}

    def wrong(self, given: Json) -> tuple[Json, str]:
        return {**given, "orderId": ids.encode("order", UNKNOWN)}, "NOT_FOUND"

    async def times(self, street: Street, given: Json) -> int:
        """How often its money was asked back."""
        return await count(street, refunds, refunds.c.order_id == ids.decode("order", given["orderId"]))


class InventoryAdjust(Deed):
    name = "inventoryAdjust"
    shown = "movements { id delta }"
    change: ClassVar[Json] = {"delta": 5}

    async def prepare(self, street: Street) -> Json:
        _, (thing,) = await street.offer("Thing", 10)
        place = {"variantId": variant(thing), "locationId": ids.encode("location", street.shop.main_id)}
        return {"reason": "received", "changes": [{**place, **self.change, "changeFromQuantity": None}]}

    def other(self, given: Json) -> Json:
        return {**given, "reason": "found"}

    def wrong(self, given: Json) -> tuple[Json, str]:
        wrong = dict.fromkeys(self.change, -1000)
        return {**given, "changes": [{**given["changes"][0], **wrong}]}, "INVALID_QUANTITY"

    async def times(self, street: Street, given: Json) -> int:
        mine = movements.c.variant_id == ids.decode("variant", given["changes"][0]["variantId"])
        return await count(street, movements, mine, movements.c.reason.in_(["received", "found"]))


class InventorySet(InventoryAdjust):
    name = "inventorySet"
    change: ClassVar[Json] = {"quantity": 15}


class InventoryMove(InventoryAdjust):
    name = "inventoryMove"

    async def prepare(self, street: Street) -> Json:
        _, (thing,) = await street.offer("Thing", 10)
        origin, target = (
            {"locationId": ids.encode("location", place)} for place in (street.shop.main_id, street.shop.outlet_id)
        )
        move = {"quantity": 5, "from": {**origin, "changeFromQuantity": None}, "to": target}
        return {"reason": "received", "changes": [{"variantId": variant(thing), **move}]}

    def wrong(self, given: Json) -> tuple[Json, str]:
        return {**given, "changes": [{**given["changes"][0], "quantity": 1000}]}, "OUT_OF_STOCK"

    async def times(self, street: Street, given: Json) -> int:
        return await super().times(street, given) // 2


class InventoryTransferCreate(Deed):
    name = "inventoryTransferCreate"
    shown = "transfer { id status }"

    async def prepare(self, street: Street) -> Json:
        _, (thing,) = await street.offer("Thing", 10)
        lines = [{"variantId": variant(thing), "quantity": 5}]
        return {"destinationId": ids.encode("location", street.shop.main_id), "supplier": "Acme", "lines": lines}

    def other(self, given: Json) -> Json:
        return {**given, "supplier": "Another"}

    def wrong(self, given: Json) -> tuple[Json, str]:
        return {**given, "lines": [{**given["lines"][0], "quantity": 0}]}, "INVALID_QUANTITY"

    async def times(self, street: Street, given: Json) -> int:
        mine = transfer_lines.c.variant_id == ids.decode("variant", given["lines"][0]["variantId"])
        return await count(street, transfer_lines, mine)


class InventoryTransferReceive(Deed):
    name = "inventoryTransferReceive"
    shown = "transfer { id status lines { received } }"

    async def prepare(self, street: Street) -> Json:
        create = InventoryTransferCreate()
        given = await create.prepare(street)
        made = await create.do(street.staff, given, new_key())
        lines = [{"variantId": given["lines"][0]["variantId"], "received": 2}]
        return {"transferId": made[create.name]["transfer"]["id"], "lines": lines}

    def other(self, given: Json) -> Json:
        return {**given, "lines": [{**given["lines"][0], "received": 1}]}

    def wrong(self, given: Json) -> tuple[Json, str]:
        return {**given, "lines": [{**given["lines"][0], "received": 6}]}, "MORE_THAN_SENT"

    async def times(self, street: Street, given: Json) -> int:
        return await arrivals(street, given["transferId"], "transfer_received")


class InventoryTransferCancel(Deed):
    name = "inventoryTransferCancel"
    again = "NOT_FOUND"
    shown = "transfer { id status }"

    async def prepare(self, street: Street) -> Json:
        return {"transferId": (await InventoryTransferReceive().prepare(street))["transferId"]}

    def other(self, given: Json) -> Json:
        return {**given, "transferId": ids.encode("transfer", UNKNOWN)}

    def wrong(self, given: Json) -> tuple[Json, str]:
        return self.other(given), "NOT_FOUND"

    async def times(self, street: Street, given: Json) -> int:
        return await arrivals(street, given["transferId"], "transfer_cancelled")


async def arrivals(street: Street, transfer: str, reason: str) -> int:
    """How often units of a transfer ceased to be incoming, for a reason."""
    mine = (movements.c.reference == transfer, movements.c.name == "incoming", movements.c.reason == reason)
    return await count(street, movements, *mine)


DEEDS: Mapping[str, Deed] = {
    made.name: made
    for made in (
        CheckoutStart(),
        CheckoutComplete(),
        CheckoutCancel(),
        FulfillmentCreate(),
        FulfillmentShip(),
        OrderCancel(),
        InventoryAdjust(),
        InventorySet(),
        InventoryMove(),
        InventoryTransferCreate(),
        InventoryTransferReceive(),
        InventoryTransferCancel(),
    )
}
ALIKE = frozenset({"inventoryMove", "inventoryTransferCreate", "inventoryTransferReceive", "inventoryTransferCancel"})
"""Those that take their key in the same way as `inventoryAdjust`: all their cases are tried when there is time."""
