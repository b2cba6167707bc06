"""How does a test get a shop, products, stock, carts and orders? All through the services, as the API makes them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import func, select

from headless.cart import queries as cart_queries
from headless.cart import service as cart
from headless.cart.rules import Address, Wanted
from headless.catalog import publishing
from headless.catalog import service as catalog
from headless.catalog import variants as catalog_variants
from headless.catalog.rules import Option
from headless.catalog.service import ProductDraft
from headless.catalog.variants import VariantDraft
from headless.checkout import completion
from headless.checkout.completion import Wish
from headless.checkout.concluding import Result, Rules
from headless.checkout.desk import Desk
from headless.checkout.service import Terms
from headless.fulfillment import service as fulfillment
from headless.inventory import ledger
from headless.inventory import queries as inventory_queries
from headless.inventory import service as inventory
from headless.inventory.events import InventoryChanged
from headless.inventory.ledger import Why
from headless.inventory.rules import Stock
from headless.inventory.service import Change
from headless.operations.books import CHECKS, Check, find_all
from headless.payments.providers.sandbox import Sandbox
from headless.payments.service import Providers
from headless.platform import idempotency, outbox
from headless.platform.db import Database, Record, Session
from headless.platform.errors import Unavailable
from headless.pricing import service as pricing
from headless.pricing.service import NewPrice
from headless.shop import queries as shop_queries
from headless.shop import service as shops

P = ParamSpec("P")
T = TypeVar("T")
WHY = Why("test", "tester")
MONTH = timedelta(days=30)
VISA = "tok_visa"
SETTLED = Rules(
    capture=True, terms=Terms(reservation=timedelta(minutes=15), cart_lifetime=MONTH), base_url="http://shop.test"
)
ADDRESS = Address(country_code="DE", last_name="Curie", address1="Hauptstraße 1", city="Berlin", postal_code="10115")


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop in Germany: prices in EUR, delivery 4.90 within the country and 12.00 elsewhere.

    | variant     | price                    | main | outlet |
    | mug         | 12.90                    |   10 |        |
    | shirt_small | 24.00                    |    3 |      5 |
    | shirt_large | 26.00, struck through 30 |      |      2 |
    | voucher     | 25.00                    | not tracked   |
    | poster      | 8.00                     | sold out      |
    | secret      | 99.00                    |    7 |        | not published
    """

    channel_id: UUID
    main_id: UUID
    outlet_id: UUID
    german_rate_id: UUID
    world_rate_id: UUID
    mug_product: UUID
    mug: UUID
    shirt_product: UUID
    shirt_small: UUID
    shirt_large: UUID
    voucher_product: UUID
    voucher: UUID
    poster_product: UUID
    poster: UUID
    secret_product: UUID
    secret: UUID


@dataclass(frozen=True, slots=True)
class Form:
    """One variant to make: `value` is its size where the product has sizes."""

    price: int = 1000
    compare_at: int | None = None
    sku: str | None = None
    value: str | None = None
    is_tracked: bool = True


async def make_shop(session: Session) -> Shop:
    """Open the shop that `Shop` describes."""
    channel_id = await shops.open_shop(session, name="Test Shop", currency="EUR", country="DE", language="en")
    main_id = await inventory.create_location(session, handle="main", name="Main", position=1)
    outlet_id = await inventory.create_location(session, handle="outlet", name="Outlet", position=2)
    germany = await fulfillment.create_zone(session, name="Germany", countries=["DE"])
    world = await fulfillment.create_zone(session, name="Rest of the world", countries=[])
    rates = [
        await fulfillment.create_rate(session, zone_id=zone, channel_id=channel_id, title=title, amount=amount)
        for zone, title, amount in ((germany, "Parcel", 490), (world, "Air mail", 1200))
    ]
    mug_product, (mug,) = await make_product(session, channel_id, "Mug", Form(1290, sku="MUG"))
    shirt_product, (small, large) = await make_product(
        session,
        channel_id,
        "Shirt",
        Form(2400, sku="SHIRT-S", value="S"),
        Form(2600, compare_at=3000, sku="SHIRT-L", value="L"),
    )
    voucher_product, (voucher,) = await make_product(
        session, channel_id, "Voucher", Form(2500, sku="VOUCHER", is_tracked=False)
    )
    poster_product, (poster,) = await make_product(session, channel_id, "Poster", Form(800, sku="POSTER"))
    secret_product, (secret,) = await make_product(
        session, channel_id, "Secret", Form(9900, sku="SECRET"), is_published=False
    )
    await stock(session, main_id, {mug: 10, small: 3, secret: 7})
    await stock(session, outlet_id, {small: 5, large: 2})
    return Shop(
        channel_id=channel_id,
        main_id=main_id,
        outlet_id=outlet_id,
        german_rate_id=rates[0],
        world_rate_id=rates[1],
        mug_product=mug_product,
        mug=mug,
        shirt_product=shirt_product,
        shirt_small=small,
        shirt_large=large,
        voucher_product=voucher_product,
        voucher=voucher,
        poster_product=poster_product,
        poster=poster,
        secret_product=secret_product,
        secret=secret,
    )


async def make_product(
    session: Session, channel_id: UUID, title: str, *forms: Form, is_published: bool = True
) -> tuple[UUID, list[UUID]]:
    """Make a product with one variant per form and no stock; answer its id and its variants' ids."""
    forms = forms or (Form(),)
    sizes = tuple(form.value for form in forms if form.value is not None)
    product_id = await catalog.create_product(
        session,
        ProductDraft(title=title, options=[Option("Size", sizes)] if sizes else []),
        channel_ids=[channel_id],
        actor="tester",
    )
    variant_ids = await catalog_variants.create_variants(
        session,
        product_id,
        [
            VariantDraft(
                selected_options=(("Size", form.value),) if form.value is not None else (),
                sku=form.sku,
                is_tracked=form.is_tracked,
            )
            for form in forms
        ],
        actor="tester",
    )
    prices = {
        variant_id: NewPrice(form.price, form.compare_at) for variant_id, form in zip(variant_ids, forms, strict=True)
    }
    await pricing.set_prices(session, channel_id, prices)
    await ledger.refresh_availability(session, [product_id])
    if is_published:
        await publishing.publish(session, product_id, channel_id=channel_id, actor="tester")
    return product_id, variant_ids


async def stock(session: Session, location_id: UUID, units: Mapping[UUID, int]) -> None:
    """Set how many units of variants can be sold at a location."""
    changes = [
        Change(variant_id, location_id, "available", quantity=quantity) for variant_id, quantity in units.items()
    ]
    await inventory.change(session, changes, Why("count", "tester"))


async def cart_with(session: Session, shop: Shop, lines: Mapping[UUID, int]) -> Record:
    """Make an anonymous cart with these lines and nothing else."""
    channel = await shop_queries.channel_by_id(session, shop.channel_id)
    made = await cart.create(session, channel=channel, lifetime=MONTH)
    wanted = [Wanted(variant_id, quantity) for variant_id, quantity in lines.items()]
    warnings = await cart.add_lines(session, made, wanted, is_new=True)
    assert warnings == []
    return made


async def cart_ready_to_check_out(
    session: Session, shop: Shop, lines: Mapping[UUID, int], *, email: str = "marie@example.com"
) -> UUID:
    """Make a cart that nothing stops from being bought; answer its id."""
    made = await cart_with(session, shop, lines)
    values = {
        **cart.buyer(email=email),
        **cart.address("delivery_address", ADDRESS),
        "delivery_rate_id": shop.german_rate_id,
    }
    await cart.change(session, made.id, lifetime=MONTH, values=values)
    return UUID(str(made.id))


def sandbox_providers(database: Database, *, timeout_seconds: float = 8) -> Providers:
    return Providers({"sandbox": Sandbox(database)}, timeout_seconds=timeout_seconds)


def wish(cart_id: UUID, token: str = VISA, *, key: str | None = None, provider: str = "sandbox") -> Wish:
    """A buyer's wish to pay for a cart, by default under a key of its own."""
    claim = idempotency.claim(
        "anonymous", key or uuid4().hex, "checkoutComplete", {"cart": cart_id, "token": token}, required=True
    )
    return Wish(cart_id=cart_id, provider=provider, token=token, accept_price_changes=False, claim=claim)


def desk(database: Database, settled: Rules = SETTLED) -> Desk:
    """A desk of its own, as each server process has one."""
    return Desk(database, settled.terms)


async def complete(
    database: Database, cart_id: UUID, token: str = VISA, *, key: str | None = None, settled: Rules = SETTLED
) -> Result:
    """Pay for a cart through the sandbox."""
    return await completion.complete(
        desk(database, settled), sandbox_providers(database), wish(cart_id, token, key=key), settled
    )


async def place_order(database: Database, shop: Shop, lines: Mapping[UUID, int], *, settled: Rules = SETTLED) -> UUID:
    """Buy these lines; answer the order's id."""
    async with database.transaction() as session:
        cart_id = await cart_ready_to_check_out(session, shop, lines)
    result = await complete(database, cart_id, settled=settled)
    assert result.order_id is not None
    return result.order_id


@dataclass(slots=True)
class Facts:
    """What was recorded: `(topic, payload)` in order, once the block has ended."""

    found: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def topics(self) -> list[str]:
        return [topic for topic, _payload in self.found]

    def of(self, topic: str) -> list[dict[str, Any]]:
        return [payload for found, payload in self.found if found == topic]


@asynccontextmanager
async def recording(database: Database, *, with_ledger: bool = False) -> AsyncIterator[Facts]:
    """Watch which facts are committed within the block; those of the ledger, one a movement, only if asked."""
    facts, c = Facts(), outbox.facts.c
    async with database.reading() as session:
        last = await session.scalar(select(func.max(c.seq))) or 0
    yield facts
    async with database.reading() as session:
        rows = await session.execute(select(c.topic, c.payload).where(c.seq > last).order_by(c.seq))
        facts.found += [(row.topic, row.payload) for row in rows if with_ledger or row.topic != InventoryChanged.topic]


async def stocks(database: Database, *variant_ids: UUID) -> dict[tuple[UUID, UUID], Stock]:
    """The levels of variants by variant and location."""
    async with database.reading() as session:
        found = await inventory_queries.stocks_by_variant(session, variant_ids)
    return {(level.variant_id, level.location_id): level for per in found.values() for level in per}


async def sellable(database: Database, variant_id: UUID) -> int:
    async with database.reading() as session:
        return (await inventory_queries.sellable_by_variant(session, [variant_id]))[variant_id].quantity


async def lines_of(database: Database, cart_id: UUID) -> Sequence[tuple[UUID, int]]:
    """Variants and quantities of a cart, in order."""
    async with database.reading() as session:
        lines = (await cart_queries.lines_by_cart(session, [cart_id])).get(cart_id, [])
    return [(line.variant_id, line.quantity) for line in lines]


async def assert_books_balance(database: Database) -> None:
    """Check what must hold after everything: every promise about stock, orders, money and events."""
    async with database.reading() as session:
        has_numberer = await outbox.position(session) > 0
    # Where no server ran, nobody numbers facts: they don't wait too long.
    await _assert_promises_hold(
        database, [check for check in CHECKS if has_numberer or check.name != "unnumbered_facts"]
    )


async def assert_levels_balance(database: Database) -> None:
    """Check what must hold for stock alone: the ledger explains every level, allocations every promise."""
    names = {"ledger", "negative_quantity", "reserved", "committed", "incoming", "availability"}
    await _assert_promises_hold(database, [check for check in CHECKS if check.name in names])


async def _assert_promises_hold(database: Database, checks: Sequence[Check]) -> None:
    found = await find_all(database, checks)
    broken = [(one.check.name, one.violations, one.samples) for one in found if one.violations]
    assert broken == []


async def persistently(operation: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do what a client does that is told the server is busy and nothing was changed: try again."""
    while True:
        try:
            return await operation(*args, **kwargs)
        except Unavailable:
            await asyncio.sleep(0.05)
