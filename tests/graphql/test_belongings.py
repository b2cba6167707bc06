"""Do products come with their pictures, metafields and translations, and leave with them, whole or not at all?"""

from typing import Any

import orjson
import pytest
from sqlalchemy import func, select

from headless.accounts.rules import Permission
from headless.catalog.models import media, products, uploads
from headless.platform import ids
from headless.platform.db import Database
from tests.builders import Shop, recording
from tests.graphql.client import Api, of
from tests.graphql.test_bulk_jobs import EXPORT, fetched, shown, started, work
from tests.graphql.test_media import send
from tests.pictures import picture

PRODUCT = """{ id version
  media { nodes { id url altText kind } }
  metafields { nodes { namespace key type value } }
  german: translations(locale: DE) { key value outdated } french: translations(locale: FR) { key value }
  variants { nodes { image { altText } } }
}"""
CREATE = f"mutation($i: ProductCreateInput!) {{ productCreate(input: $i) {{ product {PRODUCT} userErrors {{ code field }} }} }}"
SET = f"mutation($i: ProductSetInput!) {{ productSet(input: $i) {{ outcome product {PRODUCT} userErrors {{ code field }} }} }}"
UPDATE = (
    "mutation($i: ProductUpdateInput!) { productUpdate(input: $i) { product { version } userErrors { code field } } }"
)
VARIANTS = (
    "mutation($i: ProductVariantsUpdateInput!) { productVariantsUpdate(input: $i) { userErrors { code field } } }"
)
DELETE = "mutation($i: ProductDeleteInput!) { productDelete(input: $i) { userErrors { code } } }"
DEFINE = (
    "mutation($i: MetafieldDefinitionCreateInput!) { metafieldDefinitionCreate(input: $i) { userErrors { code } } }"
)
REVISIONS = "query($id: ID!) { product(id: $id) { revisions(first: 9) { nodes { version changes { field } } } } }"
FRONT, BACK = "https://pictures.test/front.png", "https://pictures.test/back.png"
FILM = "https://pictures.test/spin.mp4"
POT: dict[str, Any] = {
    "title": "Pot",
    "media": [{"url": FRONT, "altText": "Front"}, {"url": FILM}],
    "metafields": [
        {"namespace": "care", "key": "wash", "value": "by hand", "type": "text"},
        {"namespace": "care", "key": "steps", "value": '["rinse", "dry"]', "type": "list.text"},
    ],
    "translations": [
        {"locale": "DE", "key": "title", "value": " Topf "},
        {"locale": "FR", "key": "title", "value": "Pot à lait"},
    ],
}
WHOLE: dict[str, Any] = {
    "media": {
        "nodes": [{"url": FRONT, "altText": "Front", "kind": "IMAGE"}, {"url": FILM, "altText": "", "kind": "VIDEO"}]
    },
    "metafields": {
        "nodes": [
            {"namespace": "care", "key": "steps", "type": "list.text", "value": '["rinse","dry"]'},
            {"namespace": "care", "key": "wash", "type": "text", "value": "by hand"},
        ]
    },
    "german": [{"key": "title", "value": "Topf", "outdated": False}],
    "french": [{"key": "title", "value": "Pot à lait"}],
}


@pytest.fixture
def settings(settings: Any) -> Any:
    """Pictures of other addresses are linked, so that they are seen at once."""
    return settings.model_copy(update={"fetch_media": False})


async def call(api: Api, document: str, **wanted: Any) -> Any:
    token = await api.token(Permission.WRITE_PRODUCTS, Permission.READ_PRODUCTS)
    (answer,) = (await api.execute(document, {"i": wanted}, token=token)).data.values()
    return answer


def belongings(product: dict[str, Any]) -> dict[str, Any]:
    """What belongs to it, without the ids that nobody knows before."""
    pictures = [{name: one[name] for name in ("url", "altText", "kind")} for one in product["media"]["nodes"]]
    return {**{name: product[name] for name in WHOLE}, "media": {"nodes": pictures}}


async def count(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(products)) or 0


async def made(api: Api) -> dict[str, Any]:
    done = await call(api, SET, identifier={"handle": "pot"}, **POT)
    assert (done["outcome"], done["userErrors"]) == ("CREATED", [])
    return dict(done["product"])


async def test_new_product_comes_with_all_that_belongs_to_it(api: Api) -> None:
    upload = (await send(api, picture())).body["uploadId"]

    done = await call(api, CREATE, **{**POT, "media": [{"uploadId": upload, "altText": "Own"}, *POT["media"]]})

    assert done["userErrors"] == []
    own, *others = done["product"]["media"]["nodes"]
    assert own["altText"] == "Own"
    assert own["url"].startswith("http://shop.test/media/files/")
    done["product"]["media"]["nodes"] = others
    assert belongings(done["product"]) == WHOLE


async def test_definition_tells_the_type(api: Api) -> None:
    done = await call(api, DEFINE, ownerType="PRODUCT", namespace="care", key="heat", name="Heat", type="integer")
    assert done["userErrors"] == []

    one = await call(api, CREATE, title="Pot", metafields=[{"namespace": "care", "key": "heat", "value": "40"}])

    assert one["product"]["metafields"]["nodes"] == [
        {"namespace": "care", "key": "heat", "type": "integer", "value": "40"}
    ]


BAD: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"media": [{"url": FRONT}, {"url": "ftp://x.test/a.png"}]}, "INVALID_INPUT", ["media", "1", "url"]),
    ({"media": [{"url": FRONT}, {}]}, "INVALID_INPUT", ["media", "1"]),
    ({"media": [{"uploadId": of("upload", ids.new())}]}, "NOT_FOUND", ["media", "0", "uploadId"]),
    ({"media": [{"uploadId": "nonsense"}]}, "NOT_FOUND", ["media", "0", "uploadId"]),
    ({"media": [{"url": FRONT, "altText": "x" * 513}]}, "INVALID_INPUT", ["media", "0", "altText"]),
    ({"media": [{"url": FRONT}] * 251}, "TOO_MANY_MEDIA", ["media"]),
    ({"metafields": [*POT["metafields"], {"namespace": "care", "key": "heat", "value": "1"}]}, "INVALID_INPUT", ["metafields", "2", "type"]),
    ({"metafields": [POT["metafields"][0], POT["metafields"][0]]}, "INVALID_INPUT", ["metafields"]),
    ({"metafields": [{**POT["metafields"][0], "key": "!"}]}, "INVALID_INPUT", ["metafields", "0", "key"]),
    ({"metafields": [{"namespace": "so", "key": "me", "type": "product_reference", "value": of("product", ids.new())}]}, "NOT_FOUND", ["metafields", "0", "value"]),
    ({"translations": [{"locale": "DE", "key": "titel", "value": "x"}]}, "INVALID_INPUT", ["translations", "0", "key"]),
    ({"translations": [POT["translations"][0], {"locale": "EN", "key": "title", "value": "x"}]}, "INVALID_INPUT", ["translations", "1", "locale"]),
    ({"translations": [POT["translations"][0], POT["translations"][0]]}, "INVALID_INPUT", ["translations", "1", "key"]),
    ({"translations": [{"locale": "DE", "key": "title", "value": " "}]}, "INVALID_INPUT", ["translations", "0", "value"]),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "code", "field"), BAD)
async def test_what_is_wrong_is_told_and_nothing_is_made(
    api: Api, database: Database, wrong: dict[str, Any], code: str, field: list[str]
) -> None:
    upload = (await send(api, picture())).body["uploadId"]
    pot = {**POT, **wrong}
    pot["media"] = [*pot["media"], {"uploadId": upload}]

    before = await count(database)

    async with recording(database) as facts:
        alone = await call(api, CREATE, **pot)
        whole = await call(api, SET, identifier={"handle": "pot"}, **pot)

    error = [{"code": code, "field": field}]
    assert alone == {"product": None, "userErrors": error}
    assert whole == {"outcome": None, "product": None, "userErrors": error}
    assert facts.found == []
    assert await count(database) == before
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(uploads)) == 1
        assert await session.scalar(select(func.count()).select_from(media)) == 0


async def test_what_is_as_sent_stays_untouched(api: Api, database: Database) -> None:
    first = await made(api)
    own = {"media": [{"id": first["media"]["nodes"][0]["id"]}, {"url": FILM, "altText": ""}]}

    async with recording(database) as facts:
        again = await call(api, SET, identifier={"handle": "pot"}, **POT)
        by_id = await call(api, SET, identifier={"handle": "pot"}, **own)

    assert belongings(first) == WHOLE
    assert again == by_id == {"outcome": "UNCHANGED", "product": first, "userErrors": []}
    assert facts.found == []


async def test_list_that_is_sent_is_all_there_is_and_others_stay(api: Api) -> None:
    first = await made(api)
    front, film = [one["id"] for one in first["media"]["nodes"]]

    shown_anew = await call(
        api, SET, identifier={"handle": "pot"},
        media=[{"id": film, "altText": "It turns"}, {"url": BACK, "altText": "Back"}, {"url": FRONT}],
    )  # fmt: skip
    kept_anew = await call(
        api, SET, identifier={"handle": "pot"},
        metafields=[{"namespace": "care", "key": "wash", "value": "never", "type": "text"}, {"namespace": "care", "key": "heat", "value": "1", "type": "integer"}],
    )  # fmt: skip
    said_anew = await call(
        api, SET, identifier={"handle": "pot"},
        translations=[{"locale": "de", "key": "title", "value": "Kanne"}, {"locale": "DE", "key": "seoTitle", "value": "K"}],
    )  # fmt: skip

    assert [one["outcome"] for one in (shown_anew, kept_anew, said_anew)] == ["UPDATED"] * 3
    product = said_anew["product"]
    assert [(one["url"], one["altText"]) for one in product["media"]["nodes"]] == [
        (FILM, "It turns"),
        (BACK, "Back"),
        (FRONT, "Front"),
    ]
    assert [product["media"]["nodes"][place]["id"] for place in (0, 2)] == [film, front]
    assert [(one["key"], one["value"]) for one in product["metafields"]["nodes"]] == [("heat", "1"), ("wash", "never")]
    assert product["german"] == [
        {"key": "seoTitle", "value": "K", "outdated": False},
        {"key": "title", "value": "Kanne", "outdated": False},
    ]
    assert product["french"] == []
    assert shown_anew["product"]["version"] == first["version"] + 1
    assert kept_anew["product"]["version"] == first["version"] + 1  # metafields have no versions
    assert product["version"] == first["version"] + 2
    told = await api.execute(REVISIONS, {"id": product["id"]}, token=await api.token(Permission.READ_PRODUCTS))
    assert [
        [change["field"] for change in one["changes"]] for one in told.data["product"]["revisions"]["nodes"][:2]
    ] == [["translations"], ["media"]]


@pytest.mark.parametrize("nothing", [None, []])
async def test_null_and_an_empty_list_clear(api: Api, nothing: Any) -> None:
    await made(api)

    done = await call(api, SET, identifier={"handle": "pot"}, media=nothing, metafields=nothing, translations=nothing)

    assert done["outcome"] == "UPDATED"
    assert belongings(done["product"]) == {
        "media": {"nodes": []},
        "metafields": {"nodes": []},
        "german": [],
        "french": [],
    }


async def test_translation_that_is_sent_as_it_is_stays_outdated(api: Api) -> None:
    await made(api)

    renamed = await call(api, SET, identifier={"handle": "pot"}, title="Jug", translations=POT["translations"])
    again = await call(api, SET, identifier={"handle": "pot"}, translations=POT["translations"])

    assert renamed["product"]["german"] == [{"key": "title", "value": "Topf", "outdated": True}]
    assert (again["outcome"], again["product"]["german"]) == ("UNCHANGED", renamed["product"]["german"])


async def test_translations_are_of_the_texts_that_are_sent_with_them(api: Api) -> None:
    await made(api)

    texts = [{"locale": "DE", "key": "title", "value": "Kanne"}]
    done = await call(api, SET, identifier={"handle": "pot"}, title="Jug", translations=texts)

    assert done["userErrors"] == []
    assert done["product"]["german"] == [{"key": "title", "value": "Kanne", "outdated": False}]


async def test_variant_whose_picture_goes_shows_the_first(api: Api, shop: Shop) -> None:
    first = await call(
        api, SET, identifier={"handle": "mug"}, media=[{"url": FRONT, "altText": "Front"}, {"url": BACK, "altText": "Back"}]
    )  # fmt: skip
    back = first["product"]["media"]["nodes"][1]["id"]
    mug = {"id": of("variant", shop.mug), "expectedVersion": 1, "mediaId": back}
    assert (await call(api, VARIANTS, productId=of("product", shop.mug_product), variants=[mug]))["userErrors"] == []

    kept = await call(api, SET, identifier={"handle": "mug"}, media=[{"url": BACK}, {"url": FRONT}])
    gone = await call(api, SET, identifier={"handle": "mug"}, media=[{"url": FRONT}])

    assert kept["product"]["variants"]["nodes"] == [{"image": {"altText": "Back"}}]
    assert gone["product"]["variants"]["nodes"] == [{"image": {"altText": "Front"}}]


async def test_media_of_another_product_are_nobodys_here(api: Api, shop: Shop, database: Database) -> None:
    first = await made(api)
    foreign = first["media"]["nodes"][0]["id"]

    async with recording(database) as facts:
        wrong = [
            await call(api, SET, identifier={"handle": "mug"}, media=[{"id": foreign}]),
            await call(api, SET, identifier={"handle": "pot"}, media=[{"id": foreign}, {"id": foreign}]),
            await call(api, SET, identifier={"handle": "pot"}, media=[{"id": foreign, "url": FRONT}]),
        ]

    assert [one["userErrors"] for one in wrong] == [
        [{"code": "NOT_FOUND", "field": ["media", "0", "id"]}],
        [{"code": "NOT_FOUND", "field": ["media", "1", "id"]}],
        [{"code": "INVALID_INPUT", "field": ["media", "0"]}],
    ]
    assert facts.found == []


async def exported(api: Api) -> str:
    job = (await call(api, EXPORT, format="JSONL"))["job"]
    assert await work(api) == 1
    return await fetched(api, (await shown(api, job))["resultUrl"])


async def counts(api: Api, file: str) -> dict[str, int]:
    job = await started(api, file, format="JSONL")
    assert await work(api) == 1
    return dict((await shown(api, job))["counts"])


async def test_what_is_exported_comes_back_the_same(api: Api, shop: Shop, database: Database) -> None:
    upload = (await send(api, picture())).body["uploadId"]
    reference = {"namespace": "goes", "key": "with", "type": "list.product_reference",
                 "value": f'["{of("product", shop.mug_product)}"]'}  # fmt: skip
    wish = {**POT, "media": [{"uploadId": upload, "altText": " Own\n"}, *POT["media"]]}
    pot = (
        await call(api, SET, identifier={"handle": "pot"}, **{**wish, "metafields": [*POT["metafields"], reference]})
    )["product"]
    renamed = await call(api, UPDATE, id=pot["id"], expectedVersion=pot["version"], title="Jug")  # outdates
    assert renamed["userErrors"] == []

    first = await exported(api)
    async with recording(database) as facts:
        as_it_was = await counts(api, first)
    assert as_it_was == {"created": 0, "updated": 0, "unchanged": 6, "refused": 0}
    assert facts.found == []
    assert await exported(api) == first
    assert (await call(api, DELETE, id=pot["id"]))["userErrors"] == []
    assert len((await exported(api)).splitlines()) == 5

    assert await counts(api, first) == {"created": 1, "updated": 0, "unchanged": 5, "refused": 0}
    assert await exported(api) == first

    (line,) = [one for one in map(orjson.loads, first.splitlines()) if one["identifier"] == {"handle": "pot"}]
    own, front, film = line["media"]
    assert own["url"].startswith("http://shop.test/media/files/")
    assert own["altText"] == " Own\n"
    assert (front, film) == (
        {"url": FRONT, "altText": "Front", "kind": "IMAGE"},
        {"url": FILM, "altText": "", "kind": "VIDEO"},
    )
    assert line["metafields"] == [
        {"namespace": "care", "key": "steps", "type": "list.text", "value": '["rinse","dry"]'},
        {"namespace": "care", "key": "wash", "type": "text", "value": "by hand"},
        reference,
    ]
    assert line["translations"] == [
        {"locale": "de", "key": "title", "value": "Topf"},
        {"locale": "fr", "key": "title", "value": "Pot à lait"},
    ]


async def test_line_that_is_wrong_changes_nothing(api: Api, shop: Shop, database: Database) -> None:
    await made(api)
    before = await exported(api)
    wrong = [
        {"identifier": {"handle": "pot"}, "title": "Jug", "media": [{"url": BACK}], "translations": [{"locale": "de", "key": "x", "value": "y"}]},
        {"identifier": {"handle": "pot"}, "media": [{"url": BACK, "width": 3}]},
        {"identifier": {"handle": "pot"}, "media": [], "metafields": [{"namespace": "care", "key": "wash", "value": "1", "type": "integers"}]},
    ]  # fmt: skip
    job = await started(api, "".join(f"{orjson.dumps(one).decode()}\n" for one in wrong), format="JSONL")
    await work(api)

    told = [orjson.loads(line) for line in (await fetched(api, (await shown(api, job))["errorsUrl"])).splitlines()]
    assert [(one["line"], one["field"]) for one in told] == [
        (1, ["translations", "0", "key"]),
        (2, ["media", "0", "width"]),
        (3, ["metafields", "0", "type"]),
    ]
    assert await exported(api) == before
