"""Do a product's category and its variants' own pictures come with it, go into a file, and come back from it?"""

from typing import Any

import orjson
import pytest

from headless.accounts.rules import Permission
from headless.platform import ids
from headless.platform.db import Database
from tests.builders import Shop, recording
from tests.graphql.client import Api, of
from tests.graphql.test_bulk_jobs import EXPORT, fetched, shown, started, work
from tests.graphql.test_media import send
from tests.pictures import picture

SET = """mutation($i: ProductSetInput!) { productSet(input: $i) {
  outcome userErrors { code field }
  product { id version category { handle } media { nodes { id url } }
    variants { nodes { id sku version image { url altText } } } }
} }"""
GROW = """mutation($i: CategoryCreateInput!) { categoryCreate(input: $i) { category { id } userErrors { code } } }"""
FELL = "mutation($i: CategoryDeleteInput!) { categoryDelete(input: $i) { userErrors { code } } }"
DELETE = "mutation($i: ProductDeleteInput!) { productDelete(input: $i) { userErrors { code } } }"
HISTORY = "query($id: ID!) { variant(id: $id) { revisions(first: 9) { nodes { version changes { field } } } } }"
RED, BLUE, FILM = "https://pictures.test/red.png", "https://pictures.test/blue.png", "https://pictures.test/spin.mp4"


@pytest.fixture
def settings(settings: Any) -> Any:
    """Pictures of other addresses are linked, so that they are seen at once."""
    return settings.model_copy(update={"fetch_media": False})


async def call(api: Api, document: str, **wanted: Any) -> Any:
    token = await api.token(Permission.WRITE_PRODUCTS, Permission.READ_PRODUCTS)
    (answer,) = (await api.execute(document, {"i": wanted}, token=token)).data.values()
    return answer


async def category(api: Api, handle: str, **also: Any) -> str:
    done = await call(api, GROW, title=handle.title(), handle=handle, **also)
    assert done["userErrors"] == []
    return str(done["category"]["id"])


def colored(color: str, **rest: Any) -> dict[str, Any]:
    return {"sku": f"POT-{color}", "price": "10", "selectedOptions": [{"name": "Color", "value": color}], **rest}


def pot(**also: Any) -> dict[str, Any]:
    return {
        "identifier": {"handle": "pot"},
        "title": "Pot",
        "options": [{"name": "Color", "values": ["Red", "Blue", "Plain"]}],
        "variants": [
            colored("Red", media={"url": RED}),
            colored("Blue", media={"url": BLUE}),
            colored("Plain", media=None),
        ],
        "media": [{"url": BLUE, "altText": "Blue"}, {"url": RED, "altText": "Red"}, {"url": FILM}],
        **also,
    }


def images(done: Any) -> list[str]:
    """The alternative texts of what the variants show; without an own picture it is the product's first."""
    assert done["userErrors"] == []
    return [row["image"]["altText"] for row in done["product"]["variants"]["nodes"]]


async def test_new_product_comes_in_its_category_with_its_variants_pictures(api: Api, database: Database) -> None:
    await category(api, "kitchen")

    made = await call(api, SET, **pot(category={"handle": "kitchen"}))
    async with recording(database) as facts:
        again = await call(api, SET, **pot(category={"handle": "kitchen"}))

    assert images(made) == ["Red", "Blue", "Blue"]
    assert made["product"]["category"] == {"handle": "kitchen"}
    assert [row["version"] for row in made["product"]["variants"]["nodes"]] == [1, 1, 1]
    assert (made["outcome"], again["outcome"]) == ("CREATED", "UNCHANGED")
    assert again["product"] == made["product"]
    assert facts.found == []


async def test_category_is_named_by_id_handle_or_reference_stays_and_is_cleared(api: Api, shop: Shop) -> None:
    kitchen = await category(api, "kitchen")
    await category(api, "garden", externalReference="erp-garden")
    mug = {"identifier": {"handle": "mug"}}

    seen = [
        (await call(api, SET, **mug, **wanted))["product"]["category"]
        for wanted in (
            {"category": {"id": kitchen}},
            {"category": {"externalReference": "erp-garden"}},
            {"category": {"handle": "kitchen"}},
            {"title": "Cup"},
            {"category": None},
        )
    ]

    assert seen == [{"handle": "kitchen"}, {"handle": "garden"}, {"handle": "kitchen"}, {"handle": "kitchen"}, None]


async def test_variants_pictures_change_stay_and_are_cleared(api: Api) -> None:
    made = await call(api, SET, **pot())
    red = made["product"]["media"]["nodes"][1]["id"]

    swapped = await call(
        api, SET, identifier={"handle": "pot"}, variants=[colored("Red"), colored("Blue", media={"id": red}), colored("Plain", media={"url": RED})],
    )  # fmt: skip
    cleared = await call(
        api, SET, identifier={"handle": "pot"}, variants=[colored("Red", media=None), colored("Blue"), colored("Plain")],
    )  # fmt: skip

    assert images(swapped) == ["Red", "Red", "Red"]
    assert [row["version"] for row in swapped["product"]["variants"]["nodes"]] == [1, 2, 2]
    assert images(cleared) == ["Blue", "Red", "Red"]
    first, *_others = cleared["product"]["variants"]["nodes"]
    told = await api.execute(HISTORY, {"id": first["id"]}, token=await api.token(Permission.READ_PRODUCTS))
    assert [one["version"] for one in told.data["variant"]["revisions"]["nodes"]] == [2, 1]


async def test_new_variants_and_new_pictures_come_together(api: Api) -> None:
    await call(api, SET, **pot())
    green = "https://pictures.test/green.png"

    done = await call(
        api, SET, identifier={"handle": "pot"},
        media=[{"url": BLUE}, {"url": green, "altText": "Green"}],
        variants=[colored("Red"), colored("Green", media={"url": green}), colored("Blue", media={"url": green})],
    )  # fmt: skip

    assert [(row["sku"], row["image"]["altText"]) for row in done["product"]["variants"]["nodes"]] == [
        ("POT-Red", "Blue"),  # its own is gone, so it shows the product's first
        ("POT-Blue", "Green"),
        ("POT-Green", "Green"),
    ]


BAD: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"category": {"handle": "nowhere"}}, "NOT_FOUND", ["category", "handle"]),
    ({"category": {"externalReference": "nowhere"}}, "NOT_FOUND", ["category", "externalReference"]),
    ({"category": {"id": of("category", ids.new())}}, "NOT_FOUND", ["category", "id"]),
    ({"category": {"id": "nonsense"}}, "NOT_FOUND", ["category", "id"]),
    ({"category": {}}, "INVALID_INPUT", ["category"]),
    ({"category": {"handle": "kitchen", "externalReference": "x"}}, "INVALID_INPUT", ["category"]),
    ({"category": {"handle": "a" * 256}}, "INVALID_INPUT", ["category", "handle"]),
    ({"variants": [colored("Red"), colored("Blue", media={"url": "https://pictures.test/none.png"})]}, "NOT_FOUND", ["variants", "1", "media", "url"]),
    ({"variants": [colored("Red", media={"id": of("media", ids.new())})]}, "NOT_FOUND", ["variants", "0", "media", "id"]),
    ({"variants": [colored("Red", media={"id": "nonsense"})]}, "NOT_FOUND", ["variants", "0", "media", "id"]),
    ({"variants": [colored("Red", media={})]}, "INVALID_INPUT", ["variants", "0", "media"]),
    ({"variants": [colored("Red", media={"url": FILM})]}, "INVALID_INPUT", ["variants", "0", "media"]),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "code", "field"), BAD)
async def test_what_is_not_there_is_told_and_changes_nothing(
    api: Api, database: Database, wrong: dict[str, Any], code: str, field: list[str]
) -> None:
    await category(api, "kitchen")
    refused = {"outcome": None, "product": None, "userErrors": [{"code": code, "field": field}]}

    async with recording(database) as facts:
        new = await call(api, SET, **pot(**wrong))
        error = await problem(api, pot(**wrong))
    assert facts.found == []
    await call(api, SET, **pot())
    async with recording(database) as facts:
        known = await call(api, SET, identifier={"handle": "pot"}, **wrong)

    assert new == known == refused
    assert error == {"line": 1, "field": field, "code": code}
    assert facts.found == []


async def problem(api: Api, line: dict[str, Any]) -> dict[str, Any]:
    """Why a file with this line alone isn't imported."""
    job = await started(api, orjson.dumps(line).decode(), format="JSONL")
    assert await work(api) == 1
    done = await shown(api, job)
    assert done["counts"] == {"created": 0, "updated": 0, "unchanged": 0, "refused": 1}
    (error,) = [orjson.loads(one) for one in (await fetched(api, done["errorsUrl"])).splitlines()]
    assert error.pop("message")
    return dict(error)


async def exported(api: Api) -> str:
    job = (await call(api, EXPORT, format="JSONL"))["job"]
    assert await work(api) == 1
    return await fetched(api, (await shown(api, job))["resultUrl"])


async def counts(api: Api, file: str) -> dict[str, int]:
    job = await started(api, file, format="JSONL")
    assert await work(api) == 1
    return dict((await shown(api, job))["counts"])


async def everything(api: Api) -> list[str]:
    reply = await api.execute("{ products { nodes { id } } }", token=await api.token(Permission.READ_PRODUCTS))
    return [row["id"] for row in reply.data["products"]["nodes"]]


async def test_what_is_exported_comes_back_the_same_here_and_where_nothing_is_known(
    api: Api, database: Database
) -> None:
    upload = (await send(api, picture())).body["uploadId"]
    old = await category(api, "kitchen")
    wanted = pot(category={"handle": "kitchen"}, media=[{"uploadId": upload, "altText": "Own"}, *pot()["media"]])
    wanted["variants"][2].pop("media")
    made = await call(api, SET, **wanted)
    own = made["product"]["media"]["nodes"][0]["id"]
    both = [colored("Red"), colored("Blue"), colored("Plain", media={"id": own})]
    assert images(await call(api, SET, identifier={"handle": "pot"}, variants=both)) == ["Red", "Blue", "Own"]

    first = await exported(api)
    async with recording(database) as facts:
        assert await counts(api, first) == {"created": 0, "updated": 0, "unchanged": 6, "refused": 0}
    assert facts.found == []
    assert await exported(api) == first

    for product_id in await everything(api):
        assert (await call(api, DELETE, id=product_id))["userErrors"] == []
    assert (await call(api, FELL, id=old))["userErrors"] == []
    assert await exported(api) == ""
    assert await category(api, "kitchen") != old
    assert await counts(api, first) == {"created": 6, "updated": 0, "unchanged": 0, "refused": 0}
    assert await exported(api) == first
    async with recording(database) as facts:
        assert await counts(api, first) == {"created": 0, "updated": 0, "unchanged": 6, "refused": 0}
    assert facts.found == []

    *_others, line = map(orjson.loads, first.splitlines())
    assert line["identifier"] == {"handle": "pot"}
    assert line["category"] == {"handle": "kitchen"}
    assert [variant["media"] for variant in line["variants"]] == [
        {"url": RED},
        {"url": BLUE},
        {"url": line["media"][0]["url"]},
    ]


async def test_what_has_neither_says_so_in_a_file(api: Api, shop: Shop) -> None:
    lines = [orjson.loads(line) for line in (await exported(api)).splitlines()]

    assert [line["category"] for line in lines] == [None] * 5
    assert {variant["media"] for line in lines for variant in line["variants"]} == {None}
