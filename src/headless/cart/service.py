"""How does a cart change? Each change locks the cart's row first: two at once both take effect."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, delete, insert, select, update

from headless.cart import queries, rules
from headless.cart.errors import DeliveryOptionUnavailable, TooManyLines
from headless.cart.events import CartChanged
from headless.cart.models import cart_lines, carts
from headless.cart.rules import Address, Attributes, Line, Notice, Wanted
from headless.fulfillment import queries as fulfillment_queries
from headless.platform import clock, ids, outbox
from headless.platform.db import Record, Session
from headless.platform.errors import InvalidInput, NotFound
from headless.platform.texts import checked_text
from headless.pricing.models import prices
from headless.pricing.rules import MAX_UNITS

KEPT_FOR_PAYMENTS = timedelta(days=7)
"""How long an expired cart still exists: a payment begun before it expired may yet have to become its order."""
UNSET: Any = object()
"""An omitted field: stays as it is."""


async def create(
    session: Session, *, channel: Record, lifetime: timedelta, values: Mapping[str, Any] | None = None
) -> Record:
    """Make an empty cart, with column values that `buyer`, `address` and the like have checked."""
    at = clock.now()
    made = await session.execute(
        insert(carts)
        .values(
            {
                "id": ids.new_secret(),
                "channel_id": channel.id,
                "currency": channel.currency_code,
                "attributes": [],
                "note": "",
                "version": 1,
                "created_at": at,
                "updated_at": at,
                "expires_at": at + lifetime,
                **(values or {}),
            }
        )
        .returning(*carts.c)
    )
    cart = made.one()
    outbox.record(session, CartChanged(cart.id))
    return cart


async def lock(session: Session, cart_id: UUID) -> Record:
    """Have a cart to oneself until the end of the transaction; raises `NotFound` also for an expired one."""
    c = carts.c
    row = (await session.execute(select(carts).where(c.id == cart_id).with_for_update())).first()
    if row is None or row.expires_at <= clock.now():
        raise NotFound(field=("cartId",))
    return row


async def lock_all(session: Session, cart_ids: Sequence[UUID]) -> Mapping[UUID, Record]:
    """Have several carts to oneself, in the order of their ids; expired ones are left out."""
    return {row.id: row for row in await session.execute(queries.locked(cart_ids))}


async def change(
    session: Session, cart_id: UUID, *, lifetime: timedelta, values: Mapping[str, Any] | None = None
) -> Record:
    """Lock a cart and note its change: next version, new expiry, and the fact. Raises `NotFound`."""
    c, at = carts.c, clock.now()
    changed = await session.execute(
        update(carts)
        .where(c.id == cart_id, c.expires_at > at)
        .values({"version": c.version + 1, "updated_at": at, "expires_at": at + lifetime, **(values or {})})
        .returning(*c)
    )
    row = changed.first()
    if row is None:
        raise NotFound(field=("cartId",))
    outbox.record(session, CartChanged(cart_id))
    return row


async def add_lines(session: Session, cart: Record, wanted: Sequence[Wanted], *, is_new: bool = False) -> list[Notice]:
    """Add units to a locked cart; the same variant with the same attributes grows its line."""
    offers = await queries.offers_by_variant(session, sorted({want.variant_id for want in wanted}), cart.channel_id)
    for index, want in enumerate(wanted):
        rules.checked_quantity(want.quantity, "lines", index, "quantity")
        if want.variant_id not in offers:
            raise NotFound(field=("lines", index, "variantId"))
    before = [] if is_new else await _lines(session, cart.id)
    target: dict[tuple[UUID, str], tuple[int, Attributes]] = {
        (line.variant_id, rules.attributes_key(line.attributes)): (line.quantity, line.attributes) for line in before
    }
    for want in wanted:
        key = (want.variant_id, rules.attributes_key(want.attributes))
        present, _attributes = target.get(key, (0, ()))
        target[key] = (min(present + want.quantity, MAX_UNITS), want.attributes)
    return await _write(session, cart, before, target, offers)


async def update_lines(
    session: Session, cart: Record, changes: Sequence[tuple[UUID, int, Attributes | None]]
) -> list[Notice]:
    """Set lines `(id, quantity, attributes)`; quantity 0 removes, attributes None keeps them."""
    before = await _lines(session, cart.id)
    by_id = {line.id: line for line in before}
    new: dict[UUID, tuple[int, Attributes]] = {line.id: (line.quantity, line.attributes) for line in before}
    for index, (line_id, quantity, attributes) in enumerate(changes):
        if line_id not in by_id:
            raise NotFound(field=("lines", index, "id"))
        rules.checked_quantity(quantity, "lines", index, "quantity", least=0)
        new[line_id] = (quantity, by_id[line_id].attributes if attributes is None else attributes)
    before = await _reattribute(session, before, new)
    target: dict[tuple[UUID, str], tuple[int, Attributes]] = {}
    for line in before:
        quantity, attributes = new[line.id]
        key = (line.variant_id, rules.attributes_key(attributes))
        target[key] = (target.get(key, (0, ()))[0] + quantity, attributes)
    return await _write(session, cart, before, target, {line.variant_id: line.offer for line in before if line.offer})


async def _reattribute(
    session: Session, before: Sequence[Line], new: Mapping[UUID, tuple[int, Attributes]]
) -> list[Line]:
    """Give lines their new attributes in place; a line that becomes the same as another one is left to be merged."""
    present = {(line.variant_id, rules.attributes_key(line.attributes)) for line in before}
    kept = []
    for line in before:
        attributes = new[line.id][1]
        key = (line.variant_id, rules.attributes_key(attributes))
        if key not in present:
            present.add(key)
            values = {"attributes": _rows(attributes), "attributes_key": key[1]}
            await session.execute(update(cart_lines).where(cart_lines.c.id == line.id).values(values))
            kept.append(replace(line, attributes=attributes))
        else:
            kept.append(line)
    return kept


async def remove_lines(session: Session, cart: Record, line_ids: Sequence[UUID]) -> list[Notice]:
    """Remove lines; raises `NotFound` when one isn't there."""
    before = await _lines(session, cart.id)
    known = {line.id for line in before}
    for index, line_id in enumerate(line_ids):
        if line_id not in known:
            raise NotFound(field=("lineIds", index))
    target = {
        (line.variant_id, rules.attributes_key(line.attributes)): (
            0 if line.id in line_ids else line.quantity,
            line.attributes,
        )
        for line in before
    }
    return await _write(session, cart, before, target, {line.variant_id: line.offer for line in before if line.offer})


async def refresh_prices(session: Session, cart: Record) -> None:
    """Take the present prices as those that the shopper has seen."""
    c = cart_lines.c
    present = (
        select(prices.c.amount)
        .where(prices.c.variant_id == c.variant_id, prices.c.channel_id == cart.channel_id)
        .scalar_subquery()
    )
    await session.execute(
        update(cart_lines).where(c.cart_id == cart.id, c.shown_amount != present).values(shown_amount=present)
    )


def buyer(*, email: Any = UNSET, phone: Any = UNSET, country_code: Any = UNSET) -> dict[str, Any]:
    """Column values for who buys; omitted parts stay, None clears."""
    values: dict[str, Any] = {}
    if email is not UNSET:
        try:
            values["email"] = rules.checked_email(email) if email else None
        except InvalidInput as refusal:
            raise refusal.at("buyerIdentity", "email") from None
    if phone is not UNSET:
        values["phone"] = checked_text(phone, "buyerIdentity", "phone", longest=40) if phone else None
    if country_code is not UNSET:
        values["country_code"] = country_code
    return values


def address(name: str, given: Address) -> dict[str, Any]:
    """Column values for the delivery or billing address."""
    checked = {
        part: checked_text(value.strip(), "address", longest=255) if isinstance(value, str) else value
        for part, value in asdict(given).items()
    }
    return {name: checked}


def note(text: str) -> dict[str, Any]:
    return {"note": checked_text(text, "note")}


def attributes(given: Iterable[tuple[str, str]]) -> dict[str, Any]:
    return {"attributes": _rows(rules.checked_attributes(given, "attributes"))}


async def offered(session: Session, cart: Record) -> Sequence[Record]:
    """The delivery options of a cart; raises `DeliveryOptionUnavailable` when the selected one isn't among them."""
    options = await rates(session, cart)
    if cart.delivery_rate_id not in {rate.id for rate in options}:
        raise DeliveryOptionUnavailable(field=("deliveryOptionId",))
    return options


async def rates(session: Session, cart: Record) -> Sequence[Record]:
    """The delivery options of a cart; without an address none."""
    if cart.delivery_address is None:
        return ()
    country = cart.delivery_address["country_code"]
    return (await fulfillment_queries.rates_for(session, [country], cart.channel_id))[country]


async def sweep(session: Session, *, but: Select[tuple[UUID]] | None = None, limit: int = 500) -> int:
    """Forget carts that expired a while ago, `but` some; answer how many. Orders keep what they were made of."""
    old = select(carts.c.id).where(carts.c.expires_at < clock.now() - KEPT_FOR_PAYMENTS).limit(limit)
    if but is not None:
        old = old.where(carts.c.id.not_in(but))
    gone = await session.execute(delete(carts).where(carts.c.id.in_(old)).returning(carts.c.id))
    return len(gone.all())


async def _lines(session: Session, cart_id: UUID) -> list[Line]:
    return (await queries.lines_by_cart(session, [cart_id])).get(cart_id, [])


async def _write(
    session: Session,
    cart: Record,
    before: Sequence[Line],
    target: Mapping[tuple[UUID, str], tuple[int, Attributes]],
    offers: Mapping[UUID, rules.Offer],
) -> list[Notice]:
    """Bring a cart's lines to the target, clamped to what can be had; answer what was clamped."""
    present = {(line.variant_id, rules.attributes_key(line.attributes)): line for line in before}
    if sum(1 for quantity, _attributes in target.values() if quantity) > rules.MAX_LINES:
        raise TooManyLines(field=("lines",))
    warnings: list[Notice] = []
    fresh: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    gone = [line.id for key, line in present.items() if key not in target]
    for key, possible in _possible(present, target, offers).items():
        (quantity, attributes), line = target[key], present.get(key)
        line_id = line.id if line else ids.new()
        if possible < quantity:
            warnings.append(_clamped(key[0] if possible == 0 else line_id, quantity, possible, offers.get(key[0])))
        if possible == 0:
            gone += [line.id] if line else []
        elif line is None:
            offer = offers.get(key[0])
            fresh.append(
                {
                    "id": line_id,
                    "cart_id": cart.id,
                    "variant_id": key[0],
                    "quantity": possible,
                    "attributes": _rows(attributes),
                    "attributes_key": key[1],
                    "shown_amount": offer.amount if offer else 0,
                }
            )
        elif possible != line.quantity:
            changed.append({"line": line_id, "to": possible})
    if gone:
        await session.execute(delete(cart_lines).where(cart_lines.c.id.in_(gone)))
    if changed:
        connection = await session.connection()
        by_line = update(cart_lines).where(cart_lines.c.id == bindparam("line")).values(quantity=bindparam("to"))
        await connection.execute(by_line, changed)
    if fresh:
        await session.execute(insert(cart_lines), fresh)
    await _show_prices(session, [line for line in before if line.id not in gone])
    return warnings


def _possible(
    present: Mapping[tuple[UUID, str], Line],
    target: Mapping[tuple[UUID, str], tuple[int, Attributes]],
    offers: Mapping[UUID, rules.Offer],
) -> dict[tuple[UUID, str], int]:
    """Units that each line can have; one that isn't asked to change keeps its own, wherever in the cart it stands."""
    kept = {key for key, line in present.items() if key in target and target[key][0] == line.quantity}
    granted: defaultdict[UUID, int] = defaultdict(int)
    for key in kept:
        granted[key[0]] += present[key].quantity
    possible = {}
    for key, (quantity, _attributes) in target.items():
        possible[key] = quantity
        if key in kept:
            continue
        offer = offers.get(key[0]) or (present[key].offer if key in present else None)
        if offer is not None:
            possible[key] = max(0, offer.grants(granted[key[0]] + quantity) - granted[key[0]])
        granted[key[0]] += possible[key]
    return possible


async def _show_prices(session: Session, lines: Sequence[Line]) -> None:
    moved = [
        {"line": line.id, "amount": line.offer.amount}
        for line in lines
        if line.offer and line.offer.amount != line.shown_amount
    ]
    if moved:
        connection = await session.connection()
        by_line = update(cart_lines).where(cart_lines.c.id == bindparam("line"))
        await connection.execute(by_line.values(shown_amount=bindparam("amount")), moved)


def _clamped(target: UUID, wanted: int, possible: int, offer: rules.Offer | None) -> Notice:
    limit = offer.limit if offer else None
    if limit is not None and offer is not None and (offer.quantity is None or limit <= offer.quantity):
        message = f"At most {limit} may be bought at once: the quantity was lowered to {possible}."
        return Notice("MAX_QUANTITY_EXCEEDED", message, target)
    if possible == 0:
        return Notice("MERCHANDISE_OUT_OF_STOCK", "This is sold out.", target)
    message = f"{wanted} wanted, {possible} in stock: the quantity was lowered to {possible}."
    return Notice("MERCHANDISE_NOT_ENOUGH_STOCK", message, target)


def _rows(attributes: Attributes) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in attributes]
