"""Are lists narrowed as asked, and do facets count what would be left?"""

from uuid import UUID

import pytest

from headless.catalog import publishing, service
from headless.catalog import variants as variant_service
from headless.catalog.search import facets
from headless.catalog.search.facets import Facets
from headless.catalog.search.filters import Available, Filter, Has, Price
from headless.catalog.search.wishes import Wish
from headless.catalog.variants import VariantDraft
from headless.platform.db import Database
from tests.builders import Shop
from tests.catalog.shelves import Item, fill, found, page, wish

ITEMS = (
    Item("Tee", "Acme", "Shirt", ("summer", "Cotton"), ("Red", "Blue"), 2000),
    Item("Polo", "acme", "Shirt", ("Summer",), ("red",), 3000),
    Item("Jeans", "Zed", "Trousers", ("cotton",), ("Blue",), 5000, is_available=False),
    Item("Coat", "Zed", "Coat", ("winter",), (), 9000),
    Item("Ghost", "Acme", "Shirt", ("summer",), ("Red",), 2000, is_published=False),
)
VENDOR, SUMMER, RED = Has("vendor", "acme"), Has("tag", "summer"), Has("option.color", "red")


@pytest.fixture
async def stocked(database: Database, shop: Shop) -> Shop:
    """The small shop without its products, but with these."""
    for product in (shop.mug_product, shop.shirt_product, shop.voucher_product, shop.poster_product):
        async with database.transaction() as session:
            await publishing.unpublish(session, product, channel_id=shop.channel_id)
    await fill(database, shop, *ITEMS)
    return shop


async def counted(database: Database, asked: Wish) -> Facets:
    async with database.reading() as session:
        return await facets.of(session, asked)


def told(found: Facets) -> dict[str, dict[str, int]]:
    return {facet.name: {value.label: value.count for value in facet.values} for facet in found.others}


@pytest.mark.parametrize(
    ("filters", "titles"),
    [
        ((), ["Tee", "Polo", "Jeans", "Coat"]),
        ((VENDOR,), ["Tee", "Polo"]),
        ((VENDOR, Has("vendor", "zed")), ["Tee", "Polo", "Jeans", "Coat"]),
        ((VENDOR, Has("option.color", "blue")), ["Tee"]),
        ((RED, Has("option.color", "blue")), ["Tee", "Polo", "Jeans"]),
        ((SUMMER, Has("productType", "trousers")), []),
        ((Available(is_available=True),), ["Tee", "Polo", "Coat"]),
        ((Available(is_available=False),), ["Jeans"]),
        ((Available(is_available=True), Available(is_available=False)), ["Tee", "Polo", "Jeans", "Coat"]),
        ((Price(2000, 3000),), ["Tee", "Polo"]),
        ((Price(2001, None),), ["Polo", "Jeans", "Coat"]),
        ((Price(None, 2000), Price(9000, None)), ["Tee", "Coat"]),
        ((Price(None, None),), ["Tee", "Polo", "Jeans", "Coat"]),
        ((Has("tag", "nobody"),), []),
        ((Has("option.size", "red"),), []),
    ],
)
async def test_different_keys_all_hold_and_of_the_same_key_one(
    database: Database, stocked: Shop, filters: tuple[Filter, ...], titles: list[str]
) -> None:
    assert await found(database, stocked, "", *filters) == titles
    listed = await page(database, wish(stocked, "", *filters))
    async with database.reading() as session:
        assert await listed.slice.count(session) == len(titles)


async def test_facets_count_visible_products_alike_however_values_are_written(
    database: Database, stocked: Shop
) -> None:
    shown = await counted(database, wish(stocked))
    staff = await counted(database, wish(stocked, sees_hidden=True))

    assert shown.available == {True: 3, False: 1}
    assert (shown.price_range, shown.priced) == ((2000, 9000), 4)
    assert told(shown) == {
        "productType": {"Shirt": 2, "Coat": 1, "Trousers": 1},
        "vendor": {"Acme": 2, "Zed": 2},
        "tag": {"cotton": 2, "summer": 2, "winter": 1},
        "option.Color": {"Blue": 2, "Red": 2},
    }
    assert told(staff)["vendor"] == {"Acme": 3, "Zed": 2}


async def test_a_facet_leaves_its_own_filters_aside(database: Database, stocked: Shop) -> None:
    one = await counted(database, wish(stocked, "", VENDOR))
    two = await counted(database, wish(stocked, "", VENDOR, RED, Price(None, 2500)))

    assert told(one)["vendor"] == {"Acme": 2, "Zed": 2}
    assert told(one)["productType"] == {"Shirt": 2}
    assert {value.value: value.is_selected for value in one.others[1].values} == {"acme": True, "zed": False}
    assert told(two)["vendor"] == {"Acme": 1}
    assert told(two)["option.Color"] == {"Blue": 1, "Red": 1}
    assert (two.price_range, two.priced) == ((2000, 3000), 2)
    assert two.available == {True: 1}


async def test_facets_follow_the_product(database: Database, stocked: Shop) -> None:
    ids = await fill(database, stocked, Item("Sock", "Acme", "Sock", ("warm",), ("Red",)))
    async with database.transaction() as session:
        await service.update_product(
            session, ids["Sock"], expected_version=2, actor="anna", changes={"vendor": "Söckchen", "tags": ["Cozy"]}
        )
    async with database.transaction() as session:
        await variant_service.create_variants(
            session, ids["Sock"], [VariantDraft(selected_options=(("Color", "Grün"),), is_tracked=False)], actor="anna"
        )

    after = told(await counted(database, wish(stocked, "", Has("productType", "sock"))))

    assert after == {
        "productType": {"Coat": 1, "Shirt": 2, "Sock": 1, "Trousers": 1},
        "vendor": {"Söckchen": 1},
        "tag": {"Cozy": 1},
        "option.Color": {"Grün": 1, "Red": 1},
    }
    assert await found(database, stocked, "", Has("vendor", "sockchen")) == ["Sock"]
    assert await found(database, stocked, "", Has("tag", "warm")) == []


class Regret(Exception):
    pass


async def test_what_a_transaction_takes_back_is_not_indexed(database: Database, stocked: Shop) -> None:
    async def regretted(product_id: UUID) -> None:
        async with database.transaction() as session:
            changes = {"vendor": "New"}
            await service.update_product(session, product_id, expected_version=2, changes=changes, actor="anna")
            raise Regret

    with pytest.raises(Regret):
        await regretted((await page(database, wish(stocked, "tee"))).slice.rows[0].id)

    assert await found(database, stocked, "", Has("vendor", "new")) == []
    assert await found(database, stocked, "", VENDOR) == ["Tee", "Polo"]
