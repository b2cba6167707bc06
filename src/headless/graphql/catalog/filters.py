"""How are lists of products narrowed in the API, and how do they say what is left?"""

from collections.abc import Sequence
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import orjson
import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.catalog.search import facets, parsing, rules
from headless.catalog.search.facets import Count, Facets
from headless.catalog.search.filters import (
    Available,
    Category,
    Filter,
    Has,
    Metafield,
    Price,
    least_amount,
    most_amount,
)
from headless.catalog.search.wishes import Wish
from headless.graphql.context import Info, sent
from headless.graphql.declare import input_type
from headless.graphql.scalars import JSON
from headless.platform import ids
from headless.platform.errors import BadUserInput, NotFound
from headless.platform.money import Money

MOST_FILTERS = 100


@input_type
class PriceRangeFilter:
    """Lowest prices between two amounts in the channel's currency, both included."""

    min: Decimal | None = UNSET
    max: Decimal | None = UNSET


@input_type
class VariantOptionFilter:
    """A variant has this value of an option."""

    name: str
    value: str


@input_type
class MetafieldFilter:
    """A product's metafield has this value, as text, or its list holds it.

    Its definition has to be filterable, and for shoppers public.
    """

    namespace: str
    key: str
    value: str


@input_type
class ProductFilter:
    """One condition on products: exactly one key. Entries with different keys all hold, of the same key one does."""

    available: bool | None = UNSET
    product_type: str | None = UNSET
    vendor: str | None = UNSET
    tag: str | None = UNSET
    price: PriceRangeFilter | None = UNSET
    variant_option: VariantOptionFilter | None = UNSET
    metafield: MetafieldFilter | None = UNSET
    category: strawberry.ID | None = strawberry.field(default=UNSET, description="This one or one below it.")


@strawberry.enum(description="How a facet is best shown.")
class FacetType(Enum):
    LIST = "LIST"
    BOOLEAN = "BOOLEAN"
    PRICE_RANGE = "PRICE_RANGE"


@strawberry.type(description="A value that a list can be narrowed to.")
class FacetValue:
    id: str = strawberry.field(description="Begins with the facet's id.")
    label: str
    count: int = strawberry.field(description="Products of the list with this value, under the other facets' filters.")
    selected: bool = strawberry.field(description="Whether the list is narrowed to it.")
    input: JSON = strawberry.field(description="Goes back unchanged as one of `filters`.")


@strawberry.type(description="What a list of products can be narrowed to.")
class Facet:
    id: str = strawberry.field(description="Begins with the filter's key: `vendor`, `option.Color`.")
    label: str
    type: FacetType
    values: list[FacetValue] = strawberry.field(description="At most 100, those of most products first.")


async def facets_of(info: Info, wish: Wish) -> list[Facet]:
    """Count what a list can be narrowed to."""
    async with info.context.reading() as session:
        return _views(await facets.of(session, wish, info.context.server.mirror), wish)


async def wish_of(
    info: Info,
    *,
    query: str | None = None,
    filters: Sequence[ProductFilter] | None = None,
    collection_id: UUID | None = None,
) -> Wish:
    """What a list is asked to show; raises `BadUserInput`."""
    channel = await info.context.channel()
    sees_private = info.context.actor.may(Permission.READ_PRODUCTS)
    return Wish(
        await info.context.eye(),
        channel.currency_code,
        query=parsing.parse(query or ""),
        filters=read(filters, channel.currency_code, sees_private=sees_private),
        collection_id=collection_id,
    )


def read(given: Sequence[ProductFilter] | None, currency: str, *, sees_private: bool) -> tuple[Filter, ...]:
    """Read filters; raises `BadUserInput` for an entry with no key, or with several."""
    given = given or ()
    if len(given) > MOST_FILTERS:
        message = f"A list takes at most {MOST_FILTERS} filters."
        raise BadUserInput(message)
    return tuple(_read(one, currency, index, sees_private=sees_private) for index, one in enumerate(given))


def _read(given: ProductFilter, currency: str, index: int, *, sees_private: bool) -> Filter:
    keys = ("available", "product_type", "vendor", "tag", "price", "variant_option", "metafield", "category")
    found = {key: value for key in keys if (value := sent(getattr(given, key))) is not None}
    if len(found) != 1:
        message = f'Entry {index} of `filters` has to have exactly one key, such as {{vendor: "Acme"}}.'
        raise BadUserInput(message)
    ((name, value),) = found.items()
    if isinstance(value, PriceRangeFilter):
        least, most = sent(value.min), sent(value.max)
        return Price(
            None if least is None else least_amount(least, currency),
            None if most is None else most_amount(most, currency),
        )
    if isinstance(value, VariantOptionFilter):
        return Has(rules.option_key(value.name), rules.folded(value.value))
    if isinstance(value, MetafieldFilter):
        return Metafield(value.namespace, value.key, value.value, sees_private)
    if isinstance(value, bool):
        return Available(value)
    if name == "category":
        return Category(_category(value))
    key = {"product_type": rules.TYPE, "vendor": rules.VENDOR, "tag": rules.TAG}[name]
    return Has(key, rules.folded(str(value)))


def _category(given: str) -> UUID:
    try:
        return ids.decode("category", given)
    except NotFound:
        return ids.new()  # what nobody has


_LABELS = {rules.VENDOR: "Vendor", rules.TYPE: "Product type", rules.TAG: "Tag"}


def _views(found: Facets, wish: Wish) -> list[Facet]:
    views = [
        Facet(
            id=rules.AVAILABLE,
            label="Availability",
            type=FacetType.BOOLEAN,
            values=[
                FacetValue(
                    id=f"{rules.AVAILABLE}.{str(is_available).lower()}",
                    label="In stock" if is_available else "Out of stock",
                    count=found.available.get(is_available, 0),
                    selected=Available(is_available) in wish.filters,
                    input=JSON({"available": is_available}),
                )
                for is_available in (True, False)
            ],
        )
    ]
    if found.price_range is not None:
        views.append(_prices(found.price_range, found.priced, wish))
    return views + [_view(facet) for facet in found.others]


def _prices(bounds: tuple[int, int], count: int, wish: Wish) -> Facet:
    least, most = (str(Money(bound, wish.currency)) for bound in bounds)
    value = FacetValue(
        id=f"{rules.PRICE}.range",
        label=f"{least} - {most}",
        count=count,
        selected=any(isinstance(one, Price) for one in wish.filters),
        input=JSON({"price": {"min": least, "max": most}}),
    )
    return Facet(id=rules.PRICE, label="Price", type=FacetType.PRICE_RANGE, values=[value])


def _view(facet: facets.Facet) -> Facet:
    if facet.key.startswith(rules.METAFIELD):
        return _metafield(facet)
    if facet.key == rules.CATEGORY:
        return _categories(facet)
    name = facet.name.removeprefix(rules.OPTION)
    return Facet(
        id=facet.name,
        label=_LABELS.get(facet.key, name),
        type=FacetType.LIST,
        values=[
            FacetValue(
                id=f"{facet.name}.{one.value}",
                label=one.label,
                count=one.count,
                selected=one.is_selected,
                input=JSON(_input(facet, name, one)),
            )
            for one in facet.values
        ],
    )


def _input(facet: facets.Facet, name: str, one: Count) -> dict[str, Any]:
    if facet.key.startswith(rules.OPTION):
        return {"variantOption": {"name": name, "value": one.label}}
    return {facet.key: one.label}


def _categories(facet: facets.Facet) -> Facet:
    named = [(ids.encode("category", UUID(one.value)), one) for one in facet.values]
    return Facet(
        id=facet.key,
        label="Category",
        type=FacetType.LIST,
        values=[
            FacetValue(
                id=f"{facet.key}.{id_}",
                label=one.label,
                count=one.count,
                selected=one.is_selected,
                input=JSON({facet.key: id_}),
            )
            for id_, one in named
        ],
    )


def _metafield(facet: facets.Facet) -> Facet:
    namespace, key = facet.key.removeprefix(rules.METAFIELD).split(".", 1)
    values = []
    for one in facet.values:
        found = orjson.loads(one.label)
        text = found if isinstance(found, str) else orjson.dumps(found).decode()
        values.append(
            FacetValue(
                id=f"{facet.key}.{one.value}",
                label=text,
                count=one.count,
                selected=one.is_selected,
                input=JSON({"metafield": {"namespace": namespace, "key": key, "value": text}}),
            )
        )
    return Facet(id=facet.key, label=facet.name, type=FacetType.LIST, values=values)
