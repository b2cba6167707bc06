"""Which values can metafields have, how are they compared, and what do definitions do to them?"""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from headless.catalog.errors import MetafieldTypeConflict
from headless.catalog.metafields import defining, queries, rules, service
from headless.catalog.metafields.defining import DefinitionDraft
from headless.catalog.metafields.models import items
from headless.catalog.metafields.rules import MetafieldOwner, Validations
from headless.catalog.metafields.service import Place, Wish
from headless.platform import ids
from headless.platform.db import Database
from headless.platform.errors import InvalidInput, NotFound, Refusal, StaleObject, Taken
from tests.builders import Shop, recording

PRODUCT = MetafieldOwner.PRODUCT
SOME = ids.encode("product", UUID(int=7))


@pytest.mark.parametrize(
    ("type_name", "text", "shown", "key"),
    [
        ("text", " Äpfel\nund ß ", " Äpfel\nund ß ", "apfel und ss"),
        ("integer", "-12", "-12", "099999999999999988000000000"),
        ("decimal", "012.50", "12.50", None),
        ("decimal", "-0.0", "0.0", None),
        ("boolean", "true", "true", "true"),
        ("date", "2026-02-28", "2026-02-28", "2026-02-28"),
        ("url", "https://Example.com/a?b=c", "https://Example.com/a?b=c", "https://Example.com/a?b=c"),
        ("color", "#FF8800", "#ff8800", "#ff8800"),
        ("json", '{"b": [1, {"a": null}], "a": 0.5}', '{"a":0.5,"b":[1,{"a":null}]}', None),
        ("product_reference", SOME, SOME, SOME),
        ("list.integer", "[1, 2]", "[1,2]", None),
        ("list.boolean", "[true, false]", "[true,false]", None),
        ("list.text", '["a", "b"]', '["a","b"]', None),
        ("list.decimal", '["1.5", 2]', '["1.5","2"]', None),
    ],
)
def test_values_travel_as_texts(type_name: str, text: str, shown: str, key: str | None) -> None:
    shape = rules.shape_of(type_name)

    value = rules.parsed(shape, text, Validations())

    assert rules.shown(shape, value) == shown
    if key is not None:
        assert rules.filter_key(shape, value) == key


@pytest.mark.parametrize(
    ("type_name", "text"),
    [
        ("integer", "1.0"), ("integer", "x"), ("integer", ""), ("integer", "9007199254740992"), ("integer", "1e3"),
        ("integer", "٣"), ("decimal", "NaN"), ("decimal", "1e5"), ("decimal", "12345678901234"),
        ("decimal", "0.1234567891"), ("boolean", "True"), ("date", "2026-02-30"), ("date", "20260228"),
        ("date", "2026-02-28T00:00"), ("url", "example.com"), ("url", "javascript:alert(1)"), ("url", "https://a b"),
        ("url", "https://[::1"), ("color", "red"), ("color", "#12345"), ("json", "{"), ("json", "null"),
        ("json", "NaN"), ("json", "9007199254740992"),
        ("json", '"\\u0000"'), ("json", "[" * 65 + "]" * 65), ("text", "\0"), ("list.text", '"a"'),
        ("list.text", str(list(range(129)))), ("list.integer", '["a"]'), ("list.text", "[" * 2000),
        ("product_reference", "product_1"), ("product_reference", ids.encode("variant", UUID(int=7))),
        ("text", "x" * 65_537),
    ],
)  # fmt: skip
def test_what_is_no_value_is_refused(type_name: str, text: str) -> None:
    with pytest.raises(Refusal) as refused:
        rules.parsed(rules.shape_of(type_name), text, Validations(), "here")
    assert (refused.value.field or ())[:1] == ("here",)


@pytest.mark.parametrize("name", ["", "number", "list.json", "list.list.text", "list.", "TEXT"])
def test_unknown_types_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        rules.shape_of(name)


@pytest.mark.parametrize(
    ("type_name", "validations", "good", "bad"),
    [
        ("text", Validations(min="2", max="3"), ["ab", "abc"], ["a", "abcd"]),
        ("text", Validations(regex="[A-Z]{2}[0-9]+"), ["AB1"], ["ab1", "AB", "AB1 "]),
        ("text", Validations(choices=("red", "blue")), ["red"], ["Red", ""]),
        ("integer", Validations(min="-1", max="10"), ["-1", "10"], ["-2", "11"]),
        ("decimal", Validations(min="0.5"), ["0.50", "7"], ["0.49"]),
        ("date", Validations(max="2026-01-31"), ["2025-12-31"], ["2026-02-01"]),
        ("integer", Validations(choices=("1", "2")), ["1"], ["3"]),
        ("list.integer", Validations(max="3"), ["[1,3]", "[]"], ["[1,4]"]),
    ],
)
def test_definitions_ask_for_more(type_name: str, validations: Validations, good: list[str], bad: list[str]) -> None:
    shape = rules.shape_of(type_name)
    assert rules.checked_validations(shape, validations) == validations
    assert rules.validations_of(validations.row()) == validations

    for text in good:
        rules.parsed(shape, text, validations)
    for text in bad:
        with pytest.raises(InvalidInput):
            rules.parsed(shape, text, validations)


@pytest.mark.parametrize(
    ("type_name", "validations"),
    [
        ("boolean", Validations(min="1")), ("integer", Validations(min="x")), ("text", Validations(max="long")),
        ("integer", Validations(regex="1")), ("text", Validations(regex="(")), ("text", Validations(choices=())),
        ("json", Validations(choices=("1",))), ("color", Validations(choices=("red",))),
    ],
)  # fmt: skip
def test_what_can_not_be_asked_of_a_type_is_refused(type_name: str, validations: Validations) -> None:
    with pytest.raises(InvalidInput):
        rules.checked_validations(rules.shape_of(type_name), validations)


NUMBERS = st.one_of(
    st.integers(-rules.MAX_INTEGER, rules.MAX_INTEGER).map(lambda number: ("integer", str(number))),
    st.decimals(-(10**13) + 1, 10**13 - 1, places=9).map(lambda number: ("decimal", f"{number:f}")),
)


@given(NUMBERS, NUMBERS)
def test_keys_of_numbers_are_in_the_order_of_the_numbers(one: tuple[str, str], other: tuple[str, str]) -> None:
    first, second = (rules.wished_key(rules.shape_of(name), text) for name, text in (one, other))

    assert first is not None
    assert second is not None
    assert (first < second) == (Decimal(one[1]) < Decimal(other[1]))
    assert (first == second) == (Decimal(one[1]) == Decimal(other[1]))


async def put(database: Database, *wishes: Wish) -> None:
    async with database.transaction() as session:
        await service.set_metafields(session, wishes)


async def values(database: Database, owner_id: Any) -> dict[str, tuple[Any, str | None]]:
    async with database.reading() as session:
        found = await queries.metafields_by_owner(session, [owner_id], sees_private=True)
    return {f"{row.namespace}.{row.key}": (row.value, row.filter_key) for row in found.get(owner_id, ())}


async def define(database: Database, key: str, type_name: str, **more: Any) -> Any:
    draft = DefinitionDraft(owner=PRODUCT, namespace="specs", key=key, name=key, type=type_name, **more)
    async with database.transaction() as session:
        return await defining.create(session, draft, actor="tester")


async def test_values_are_written_over_and_facts_tell_of_the_product(database: Database, shop: Shop) -> None:
    of_mug = Place(PRODUCT, shop.mug_product, "specs", "height")
    of_variant = Place(MetafieldOwner.PRODUCT_VARIANT, shop.shirt_small, "specs", "height")

    await put(database, Wish(of_mug, "7", "integer"))
    async with recording(database) as facts:
        await put(database, Wish(of_mug, "8", "integer"), Wish(of_variant, '["a"]', "list.text"))

    assert await values(database, shop.mug_product) == {"specs.height": (8, None)}
    assert await values(database, shop.shirt_small) == {"specs.height": (["a"], None)}
    assert facts.topics == ["product.updated", "product.updated"]
    assert {fact["product_id"] for fact in facts.of("product.updated")} == {
        str(shop.mug_product), str(shop.shirt_product),
    }  # fmt: skip


async def test_a_call_is_atomic(database: Database, shop: Shop) -> None:
    good = Wish(Place(PRODUCT, shop.mug_product, "specs", "height"), "7", "integer")
    gone = ids.new()
    bad_name, twin = (Place(PRODUCT, shop.mug_product, *name) for name in (("a", "a1"), ("specs", "twin")))
    cases: list[tuple[list[Wish], type[Refusal], tuple[str, ...]]] = [
        ([good, Wish(good.place, "8", "integer")], InvalidInput, ("metafields",)),
        ([good] * 26, InvalidInput, ("metafields",)),
        ([good, Wish(Place(PRODUCT, gone, "specs", "a1"), "1", "integer")], NotFound, ("metafields", "1", "ownerId")),
        ([good, Wish(bad_name, "1", "integer")], InvalidInput, ("metafields", "1", "namespace")),
        ([good, Wish(Place(PRODUCT, shop.mug_product, "specs", "a1"), "1")], InvalidInput, ("metafields", "1", "type")),
        ([good, Wish(twin, ids.encode("product", gone), "product_reference")], NotFound, ("metafields", "1", "value")),
    ]  # fmt: skip
    for wishes, refusal, path in cases:
        with pytest.raises(refusal) as refused:
            await put(database, *wishes)
        assert refused.value.field == path

    assert await values(database, shop.mug_product) == {}


async def test_definitions_come_and_go_with_what_can_be_found(database: Database, shop: Shop) -> None:
    place = Place(PRODUCT, shop.mug_product, "specs", "color")
    await put(database, Wish(place, "Blau", "text"))

    definition_id = await define(database, "color", "text", is_filterable=True)
    assert await values(database, shop.mug_product) == {"specs.color": ("Blau", "blau")}

    async with database.transaction() as session:
        await defining.change(session, definition_id, expected_version=1, changes={"is_filterable": False}, actor="t")
    assert await values(database, shop.mug_product) == {"specs.color": ("Blau", None)}

    async with database.transaction() as session:
        await defining.change(
            session, definition_id, expected_version=2,
            changes={"is_filterable": True, "validations": Validations(choices=("Rot",))}, actor="t",
        )  # fmt: skip
    assert await values(database, shop.mug_product) == {"specs.color": ("Blau", "blau")}
    with pytest.raises(InvalidInput):
        await put(database, Wish(place, "Blau"))
    await put(database, Wish(place, "Rot"))
    assert await values(database, shop.mug_product) == {"specs.color": ("Rot", "rot")}

    async with database.transaction() as session:
        await defining.remove(session, definition_id, with_metafields=False)
    assert await values(database, shop.mug_product) == {"specs.color": ("Rot", None)}

    again = await define(database, "color", "text")
    async with database.transaction() as session:
        await defining.remove(session, again, with_metafields=True)
    assert await values(database, shop.mug_product) == {}


async def keys_of(database: Database, owner_id: UUID) -> dict[tuple[str, str], list[str]]:
    async with database.reading() as session:
        found = (await queries.filter_keys_by_owner(session, [owner_id])).get(owner_id, {})
    return {name: sorted(keys) for name, keys in found.items()}


async def test_lists_are_found_by_their_items_as_long_as_their_definition_says_so(
    database: Database, shop: Shop
) -> None:
    place = Place(PRODUCT, shop.mug_product, "specs", "colors")
    name = ("specs", "colors")
    await put(database, Wish(place, '["Blau", "blau", "Rot"]', "list.text"))
    assert await keys_of(database, shop.mug_product) == {}

    definition_id = await define(database, "colors", "list.text", is_filterable=True)
    assert await keys_of(database, shop.mug_product) == {name: ["blau", "rot"]}
    await put(database, Wish(place, '["Grün", "Rot"]'), Wish(Place(PRODUCT, shop.shirt_product, *name), "[]"))
    assert await keys_of(database, shop.mug_product) == {name: ["grun", "rot"]}
    assert await keys_of(database, shop.shirt_product) == {}
    assert await values(database, shop.mug_product) == {"specs.colors": (["Grün", "Rot"], None)}

    async with database.transaction() as session:
        await defining.change(session, definition_id, expected_version=1, changes={"is_filterable": False}, actor="t")
    assert await keys_of(database, shop.mug_product) == {}
    await put(database, Wish(place, '["Gelb"]'))
    assert await keys_of(database, shop.mug_product) == {}
    async with database.transaction() as session:
        await defining.change(session, definition_id, expected_version=2, changes={"is_filterable": True}, actor="t")
    assert await keys_of(database, shop.mug_product) == {name: ["gelb"]}

    async with database.transaction() as session:
        await defining.remove(session, definition_id, with_metafields=False)
    assert await keys_of(database, shop.mug_product) == {}
    await define(database, "colors", "list.text", is_filterable=True)
    async with database.transaction() as session:
        await service.delete_metafields(session, [place])
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(items)) == 0


async def test_many_lists_are_found_in_chunks(database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defining, "CHUNK", 2)
    owners = [shop.mug_product, shop.shirt_product, shop.poster_product, shop.voucher_product, shop.secret_product]
    await put(database, *(Wish(Place(PRODUCT, owner, "specs", "sizes"), "[1, 2]", "list.integer") for owner in owners))

    await define(database, "sizes", "list.integer", is_filterable=True)

    assert [len((await keys_of(database, owner))["specs", "sizes"]) for owner in owners] == [2] * 5


async def test_definitions_refuse_what_does_not_fit(database: Database, shop: Shop) -> None:
    await put(database, Wish(Place(PRODUCT, shop.mug_product, "specs", "height"), "7", "integer"))
    with pytest.raises(MetafieldTypeConflict):
        await define(database, "height", "text")
    definition_id = await define(database, "height", "integer")

    with pytest.raises(Taken):
        await define(database, "height", "integer")
    with pytest.raises(InvalidInput, match="Nothing can be found by json") as refused:
        await define(database, "sizes", "json", is_filterable=True)
    assert refused.value.field == ("filterable",)
    with pytest.raises(StaleObject):
        async with database.transaction() as session:
            await defining.change(session, definition_id, expected_version=7, changes={}, actor="t")
    with pytest.raises(InvalidInput):
        await put(database, Wish(Place(PRODUCT, shop.mug_product, "specs", "height"), "a", "text"))


async def test_deleting_answers_what_there_was(database: Database, shop: Shop) -> None:
    place = Place(PRODUCT, shop.mug_product, "specs", "height")
    other = Place(PRODUCT, shop.mug_product, "specs", "width")
    await put(database, Wish(place, "7", "integer"))

    async with database.transaction() as session:
        gone = await service.delete_metafields(session, [other, place])

    assert gone == [place]
    assert await values(database, shop.mug_product) == {}
