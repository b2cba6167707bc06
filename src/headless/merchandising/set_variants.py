"""Which variants does a product that is sent whole mean, and in what do they differ from how they are to be?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from headless.catalog import gallery, rules
from headless.catalog.errors import OptionsTaken
from headless.catalog.gallery import Addresses, PictureName
from headless.catalog.rules import Option, Selected
from headless.merchandising import amounts
from headless.merchandising.repricing import UNSET, Unset, VariantChange
from headless.platform.db import Record, Session
from headless.platform.errors import InvalidInput, NotFound
from headless.pricing import queries as pricing_queries


@dataclass(frozen=True, slots=True)
class WishedVariant:
    """A variant as it is to be; what isn't named stays, or is as in a new one."""

    id: UUID | None = None
    selected_options: Selected | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    price: Decimal | Unset = UNSET
    compare_at_price: Decimal | Unset | None = UNSET
    picture: PictureName | Unset | None = UNSET
    """Its own picture, one of its product's."""

    @property
    def sku(self) -> str | None:
        return self.columns.get("sku")


async def with_pictures(
    session: Session, product_id: UUID, wished: Sequence[WishedVariant], *, addresses: Addresses
) -> list[WishedVariant]:
    """The same variants, each with the picture that it names of those that the product shows now.

    Raises `NotFound` or `InvalidInput`.
    """
    found = await gallery.named_pictures(session, product_id, _pictures(wished), addresses=addresses)
    return [
        each
        if isinstance(each.picture, Unset)
        else replace(each, columns={**each.columns, "image_id": found.get(index)})
        for index, each in enumerate(wished)
    ]


async def show_first_pictures(
    session: Session,
    product_id: UUID,
    variant_ids: Sequence[UUID],
    wished: Sequence[WishedVariant],
    *,
    addresses: Addresses,
) -> None:
    """Have the variants of a product that was just made show the pictures that they name; raises the same."""
    found = await gallery.named_pictures(session, product_id, _pictures(wished), addresses=addresses)
    await gallery.show_first(session, {variant_ids[index]: picture_id for index, picture_id in found.items()})


def _pictures(wished: Sequence[WishedVariant]) -> dict[int, PictureName]:
    return {index: each.picture for index, each in enumerate(wished) if isinstance(each.picture, PictureName)}


def staying(now: Sequence[Option], options: Sequence[Option], known: Sequence[Record]) -> list[WishedVariant]:
    """All variants as they are, but without the options that their product loses.

    Raises `InvalidInput` when it gets another option, of which nobody says the variants' values, and `OptionsTaken`
    when two of them would be alike.
    """
    names = _names(options)
    added = [option.name for option in options if option.name not in _names(now)]
    if added:
        message = f"Say in `variants` which {' and '.join(added)} each one has, by its selectedOptions."
        raise InvalidInput(message, field=("options",))
    alike = Counter(_values(row, names) for row in known)
    if alike and max(alike.values()) > 1:
        message = "Without the options that are missing here some variants would be alike: send those that stay."
        raise OptionsTaken(message, field=("options",))
    return [WishedVariant(id=row.id) for row in known]


def matched(
    now: Sequence[Option], options: Sequence[Option], known: Sequence[Record], wished: Sequence[WishedVariant]
) -> tuple[dict[UUID, WishedVariant], list[WishedVariant]]:
    """Pair known variants with wished ones: by id, by option values, by SKU; the others are new.

    Where the product gets other options than it has `now`, also by what both have in common, if one variant alone has
    it here and there; a product's only variant is the only one that is wished.
    """
    names = _names(options)
    pairs = _named(known, wished)
    by_values = {_values(row): row.id for row in known if row.id not in pairs}
    rest: list[WishedVariant] = []
    for index, each in enumerate(wished):
        if each.id is not None:
            continue
        try:
            values = frozenset(rules.checked_selection(options, each.selected_options or ()))
        except InvalidInput as refusal:
            raise refusal.at("variants", index, *(refusal.field or ())) from None
        if values in by_values:
            pairs[by_values.pop(values)] = each
        else:
            rest.append(each)
    by_sku = {row.sku: row.id for row in known if row.sku and row.id not in pairs}
    pairs |= {by_sku.pop(each.sku): each for each in rest if each.sku in by_sku}
    if names != _names(now) and (names & _names(now) or len(known) == len(wished) == 1):
        pairs |= _alike(names & _names(now), known, rest, pairs)
    paired = {id(each) for each in pairs.values()}
    return pairs, [each for each in rest if id(each) not in paired]


def _alike(
    common: AbstractSet[str],
    known: Sequence[Record],
    wished: Sequence[WishedVariant],
    pairs: Mapping[UUID, WishedVariant],
) -> dict[UUID, WishedVariant]:
    """Pair what isn't paired yet by its values of some options, where they tell one from all others."""
    paired = {id(each) for each in pairs.values()}
    here = [(_values(row, common), row.id) for row in known if row.id not in pairs]
    there = [(_chosen(each, common), each) for each in wished if id(each) not in paired]
    here_once, there_once = (Counter(values for values, _one in some) for some in (here, there))
    by_values = {values: each for values, each in there if there_once[values] == 1}
    return {id_: by_values[values] for values, id_ in here if here_once[values] == 1 and values in by_values}


def _names(options: Sequence[Option]) -> AbstractSet[str]:
    return {option.name for option in options}


def _values(row: Record, names: AbstractSet[str] | None = None) -> frozenset[tuple[str, str]]:
    """A variant's values of some options, or of all."""
    chosen = ((each["name"], each["value"]) for each in row.selected_options)
    return frozenset(pair for pair in chosen if names is None or pair[0] in names)


def _chosen(wish: WishedVariant, names: AbstractSet[str]) -> frozenset[tuple[str, str]]:
    given = ((name.strip(), value.strip()) for name, value in wish.selected_options or ())
    return frozenset(pair for pair in given if pair[0] in names)


def _named(known: Sequence[Record], wished: Sequence[WishedVariant]) -> dict[UUID, WishedVariant]:
    ids = {row.id for row in known}
    pairs: dict[UUID, WishedVariant] = {}
    for index, each in enumerate(wished):
        if each.id is None:
            continue
        if each.id not in ids:
            raise NotFound(field=("variants", index, "id"))
        if each.id in pairs:
            message = "This variant stands here twice."
            raise InvalidInput(message, field=("variants", index, "id"))
        pairs[each.id] = each
    return pairs


async def changes(
    session: Session,
    options: Sequence[Option],
    known: Sequence[Record],
    pairs: Mapping[UUID, WishedVariant],
    channel: Record,
) -> list[VariantChange]:
    """What becomes of known variants of a product that has, or is to have, these options."""
    names = _names(options)
    prices = await pricing_queries.prices_by_variant(session, list(pairs), channel.id)
    found: list[VariantChange] = []
    for row in known:
        wish = pairs.get(row.id)
        if wish is None:
            continue
        columns = {name: value for name, value in wish.columns.items() if getattr(row, name) != value}
        selected = _selected(row, wish, names)
        if selected is not None:
            columns["selected_options"] = selected
        price, compare_at = _new_prices(wish, prices.get(row.id), channel.currency_code)
        if columns or price is not UNSET or compare_at is not UNSET:
            found.append(VariantChange(row.id, row.version, columns, price=price, compare_at_price=compare_at))
    return found


def _selected(row: Record, wish: WishedVariant, names: AbstractSet[str]) -> Selected | None:
    """A known variant's new option values; None: they stay. What isn't named stays of the options that do."""
    chosen = {each["name"]: each["value"] for each in row.selected_options}
    given = {name.strip(): value.strip() for name, value in wish.selected_options or ()}
    if wish.selected_options is not None:
        is_same = given == chosen and len(given) == len(wish.selected_options)
        return None if is_same else wish.selected_options
    if chosen.keys() == names:
        return None
    return tuple((name, value) for name, value in chosen.items() if name in names)


def _new_prices(
    wish: WishedVariant, now: Record | None, currency: str
) -> tuple[Decimal | Unset, Decimal | Unset | None]:
    """The wished prices that differ from those of now."""
    price, compare_at = wish.price, wish.compare_at_price
    if now is not None and not isinstance(price, Unset) and amounts.is_amount(price, now.amount, currency):
        price = UNSET
    if now is not None and not isinstance(compare_at, Unset):
        is_same = (
            now.compare_at_amount is None
            if compare_at is None
            else amounts.is_amount(compare_at, now.compare_at_amount, currency)
        )
        compare_at = UNSET if is_same else compare_at
    return price, compare_at
