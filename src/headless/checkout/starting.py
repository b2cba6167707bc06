"""How does a checkout start? A cart is read without any lock, then held, together with others, if nothing changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, cast, delete, literal, select

from headless.cart import queries as cart_queries
from headless.cart import rules as cart_rules
from headless.cart import service as carts
from headless.cart.errors import PriceChanged
from headless.cart.events import CartChanged
from headless.catalog.translations import queries as translations
from headless.checkout import queries, rules
from headless.checkout.errors import TotalTooLarge
from headless.checkout.models import checkouts
from headless.checkout.rules import CheckoutStatus, Quote
from headless.checkout.service import Terms
from headless.inventory import queries as inventory_queries
from headless.inventory import service as inventory
from headless.inventory.allocation import AllocationStrategy, Routing
from headless.inventory.ledger import Why
from headless.inventory.service import Request
from headless.payments import service as payments
from headless.payments.service import Intent
from headless.platform import clock, crypto, failpoints, idempotency, ids, outbox
from headless.platform.columns import Json
from headless.platform.db import Record, Session, insert_into
from headless.platform.errors import NotFound, Refusal, Refused
from headless.platform.idempotency import Claim
from headless.platform.json_rows import Elements, rows_of
from headless.platform.money import MAX_TOTAL
from headless.shop.rules import fallbacks


@dataclass(frozen=True, slots=True)
class Paying:
    """How a checkout is paid that is completed without having been started before."""

    provider: str
    token: str
    claim: Claim
    lease: timedelta


@dataclass(frozen=True, slots=True)
class Prepared:
    """A cart that was found ready for its checkout, and what it would sell."""

    cart: Record
    quote: Quote
    routing: Routing
    accept_price_changes: bool
    paying: Paying | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A checkout whose stock is held, and the payment that has begun with it."""

    checkout: Record
    payment: Record | None


class Changed:
    """The cart isn't any more what it was, or its key is in use: look again."""


Answer = Held | Refused | Changed


async def prepare(
    session: Session,
    cart_id: UUID,
    *,
    accept_price_changes: bool,
    paying: Paying | None = None,
    language: str | None = None,
) -> Prepared | None:
    """Read what a checkout would sell, without any lock; None: the cart has one that is under way or completed.

    What it sells is named in a language, by default the one in which the cart was filled.

    Raises `NotFound` or `Refused` with everything that stops it.
    """
    cart = await queries.cart_to_start(session, cart_id)
    if cart is None:
        raise NotFound(field=("cartId",))
    if cart.is_started:
        return None
    languages = fallbacks(language or cart.language, channel=cart.default_language, source=cart.source_language)
    try:
        quote = await _quote(session, cart, accept_price_changes=accept_price_changes)
    except (Refusal, Refused):
        # What it lacks may be what another request for this very cart has got in the meantime.
        again = await queries.cart_to_start(session, cart_id)
        if again is not None and again.is_started:
            return None
        raise
    if languages:
        quote = await _translated(session, quote, languages)
    country = (cart.delivery_address or {}).get("country_code")
    routing = Routing(AllocationStrategy(cart.allocation_strategy), country)
    return Prepared(cart, quote, routing, accept_price_changes, paying)


async def hold(session: Session, wishes: Sequence[Prepared], *, terms: Terms) -> Mapping[UUID, Answer]:
    """Start the checkouts of several carts, each wished once; answer by cart what came of it.

    The rows that many buyers want at once, their stock, are locked last, for all of them together.
    """
    answers: dict[UUID, Answer] = {wish.cart.id: Changed() for wish in wishes}
    failpoints.reach("checkout.before_claim")
    taken = await idempotency.take_all(session, [wish.paying.claim for wish in wishes if wish.paying])
    failpoints.reach("checkout.after_claim")
    free = {wish.cart.id: wish for wish in wishes if wish.paying is None or wish.paying.claim.run in taken}
    fresh = {ids.new(): wish for wish in free.values()}
    started = await _insert(session, fresh, terms)
    for wish in (fresh[key] for key in started):
        if wish.accept_price_changes:
            await carts.refresh_prices(session, wish.cart)
    failpoints.reach("checkout.before_reserve")
    refused = await inventory.reserve_all(session, [_request(key, fresh[key]) for key in started])
    failpoints.reach("checkout.after_reserve")
    for key, held in started.items():
        wish = fresh[key]
        answers[wish.cart.id] = _about_lines(refused[key], wish.quote) if key in refused else held
    await _undo(session, list(refused))
    in_vain = [wish.paying.claim for key, wish in free.items() if wish.paying and not isinstance(answers[key], Held)]
    await idempotency.release_all(session, in_vain)
    outbox.record(session, *(CartChanged(key) for key, answer in answers.items() if isinstance(answer, Held)))
    return answers


async def _insert(session: Session, fresh: Mapping[UUID, Prepared], terms: Terms) -> Mapping[UUID, Held]:
    """Lock carts and write their checkouts, each with its payment; of those that changed meanwhile, nothing."""
    if not fresh:
        return {}
    at = clock.now()
    intents = {key: _intent(key, wish) for key, wish in fresh.items()}
    rows = [
        {
            "id": key.hex,
            "cart_id": wish.cart.id.hex,
            "cart_version": wish.cart.version,
            "status": CheckoutStatus.PAYMENT_PENDING if wish.paying else CheckoutStatus.OPEN,
            "payment_id": intent.id.hex if (intent := intents[key]) else None,
            "quote": rules.dump(wish.quote),
        }
        for key, wish in fresh.items()
    ]
    cart_ids = sorted(wish.cart.id for wish in fresh.values())
    made = await session.execute(
        insert_into(session, checkouts)
        .from_select(
            ["id", "cart_id", "status", "payment_id", "quote", "renewals", "expires_at", "created_at", "updated_at"],
            _unchanged(rows, cart_ids, at=at, until=at + terms.reservation),
        )
        .on_conflict_do_nothing()
        .returning(*checkouts.c)
    )
    made_by_id = {row.id: row for row in made}
    started = [key for key in fresh if key in made_by_id]
    begun = await payments.begin_all(session, [intent for key in started if (intent := intents[key])])
    return {key: Held(row := made_by_id[key], begun.get(row.payment_id)) for key in started}


def _unchanged(
    rows: Sequence[Mapping[str, object]], cart_ids: Sequence[UUID], *, at: datetime, until: datetime
) -> Select[Any]:
    """Those of the checkouts, given as one parameter, whose cart is what was read; it is locked from then on."""
    locked = cart_queries.locked(cart_ids).cte("locked")
    wish = rows_of(Elements(literal(rows, Json)), "wish")
    value = wish.c.value
    c = checkouts.c
    return (
        select(
            cast(value["id"].as_string(), c.id.type),
            locked.c.id,
            value["status"].as_string(),
            cast(value["payment_id"].as_string(), c.payment_id.type),
            value["quote"],
            literal(0),
            literal(until, c.expires_at.type),
            literal(at, c.created_at.type),
            literal(at, c.updated_at.type),
        )
        .select_from(wish)
        .join(locked, locked.c.id == cast(value["cart_id"].as_string(), locked.c.id.type))
        .where(locked.c.version == value["cart_version"].as_integer())
    )


async def _undo(session: Session, checkout_ids: Sequence[UUID]) -> None:
    if checkout_ids:
        await payments.forget(session, checkout_ids)
        await session.execute(delete(checkouts).where(checkouts.c.id.in_(checkout_ids)))


def _intent(checkout_id: UUID, wish: Prepared) -> Intent | None:
    if wish.paying is None:
        return None
    return Intent(
        id=ids.new(),
        checkout_id=checkout_id,
        provider=wish.paying.provider,
        token=wish.paying.token,
        amount=wish.quote.totals.total_amount,
        currency=wish.quote.currency,
        lease=wish.paying.lease,
    )


def _request(checkout_id: UUID, wish: Prepared) -> Request:
    return Request(
        checkout_id,
        wish.quote.demands,
        Why("checkout_started", "checkout", ids.encode("checkout", checkout_id)),
        wish.routing,
        buyer=crypto.digest(wish.cart.email.casefold()),
        purchases=wish.quote.purchases,
    )


def _about_lines(refused: Refused, quote: Quote) -> Refused:
    """Name the cart's lines instead of the checkout's."""
    by_line = {line.id: line.cart_line_id for line in quote.lines}
    for refusal in refused.refusals:
        refusal.target = by_line.get(refusal.target) if refusal.target else None
        refusal.field = ("cartId",)
    return refused


async def _quote(session: Session, cart: Record, *, accept_price_changes: bool) -> Quote:
    lines = (await cart_queries.lines_by_cart(session, [cart.id])).get(cart.id, [])
    rates = await carts.rates(session, cart)
    stopping: list[Refusal] = [
        refusal
        for refusal in cart_rules.problems(
            email=cart.email,
            address=cart.delivery_address,
            rate_id=cart.delivery_rate_id,
            rate_ids=[rate.id for rate in rates],
            lines=lines,
        )
        if not (isinstance(refusal, PriceChanged) and accept_price_changes)
    ]
    for refusal in stopping:
        refusal.field = ("cartId",)
    if stopping:
        raise Refused(stopping)
    rate = next(rate for rate in rates if rate.id == cart.delivery_rate_id)
    bundles = [line.variant_id for line in lines if line.offer and line.offer.is_bundle]
    made_of = await inventory_queries.parts_by_bundle(session, bundles) if bundles else {}
    tracked = {
        bundle_id: tuple((part.part_id, part.quantity) for part in parts if part.is_tracked)
        for bundle_id, parts in made_of.items()
    }
    frozen = rules.quote(
        lines,
        tracked,
        currency=cart.currency,
        delivery_rate_id=rate.id,
        delivery_title=rate.title,
        delivery_amount=rate.amount,
    )
    if frozen.totals.total_amount > MAX_TOTAL:
        raise TotalTooLarge(field=("cartId",))
    return frozen


async def _translated(session: Session, quote: Quote, languages: tuple[str, ...]) -> Quote:
    """Name what is sold in the buyer's language."""
    names = await translations.names_by_variant(session, [line.variant_id for line in quote.lines], languages)
    lines = (
        replace(line, title=name.product_title, variant_title=name.variant_title)
        if (name := names.get(line.variant_id))
        else line
        for line in quote.lines
    )
    return replace(quote, lines=tuple(lines))
