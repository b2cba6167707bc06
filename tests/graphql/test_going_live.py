"""Does nothing come before shoppers that lacks what the checklist requires, whichever way it would?"""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from headless.accounts.rules import Permission
from headless.catalog.models import products
from headless.merchandising import generated
from headless.merchandising.importing import ImportReport, import_products
from headless.merchandising.shopify_csv import ImportedImage, RowProblem
from headless.platform.db import Database, Record
from tests.builders import Shop, recording
from tests.graphql.client import Api, of
from tests.graphql.test_bulk_jobs import fetched, shown, started, work
from tests.graphql.test_checklist import CREATE as WANT
from tests.merchandising.test_importing import product, variant

UPDATE = "mutation($i: ProductUpdateInput!) { productUpdate(input: $i) { product { status version } userErrors { code field message } } }"
BULK = """mutation($i: ProductsBulkUpdateInput!) { productsBulkUpdate(input: $i) {
  results { index product { status vendor } userErrors { code field } } userErrors { code field }
} }"""
SET = (
    "mutation($i: ProductSetInput!) { productSet(input: $i) { outcome product { status } userErrors { code field } } }"
)
CREATE = "mutation($i: ProductCreateInput!) { productCreate(input: $i) { product { id status } userErrors { code } } }"
REVERT = (
    "mutation($i: ProductRevertInput!) { productRevert(input: $i) { product { status } userErrors { code field } } }"
)
UNPUBLISH = "mutation($i: ProductUnpublishInput!) { productUnpublish(input: $i) { userErrors { code } } }"
PUBLISH = "mutation($i: ProductPublishInput!) { productPublish(input: $i) { product { status } userErrors { code } } }"
MISSING = "CHECKLIST_INCOMPLETE"
BY_FORCE = "Or publish it by force, with the permission WRITE_SETTINGS."
NO_PICTURE = f"It has a picture: Add a picture. {BY_FORCE}"
NO_SEO = "Search engines have something to show: Write a title and a description for search engines. " + BY_FORCE


async def call(api: Api, document: str, *permissions: Permission, **wanted: Any) -> Any:
    token = await api.token(*(permissions or (Permission.WRITE_PRODUCTS,)))
    (answer,) = (await api.execute(document, {"i": wanted}, token=token)).data.values()
    return answer


async def row_of(database: Database, handle: str) -> Record | None:
    async with database.reading() as session:
        return (await session.execute(select(products).where(products.c.handle == handle))).first()


async def version_of(database: Database, handle: str) -> int:
    row = await row_of(database, handle)
    assert row is not None
    return int(row.version)


async def is_seen(api: Api, handle: str) -> bool:
    reply = await api.execute("query($h: String!) { product(handle: $h) { id } }", {"h": handle})
    return not reply.codes


async def require(api: Api, *kinds: str) -> None:
    for kind in kinds:
        made = await call(api, WANT, Permission.WRITE_SETTINGS, kind=kind)
        assert made["userErrors"] == []


async def as_draft(api: Api, database: Database, handle: str, product_id: Any, status: str = "DRAFT") -> None:
    """What is published becomes a draft, and stays published for when it is active again."""
    version = await version_of(database, handle)
    done = await call(api, UPDATE, id=of("product", product_id), expectedVersion=version, status=status)
    assert done["userErrors"] == []
    assert not await is_seen(api, handle)


@pytest.mark.parametrize("status", ["DRAFT", "ARCHIVED"])
async def test_published_product_is_not_made_active_without_what_is_required(
    api: Api, shop: Shop, database: Database, status: str
) -> None:
    await as_draft(api, database, "mug", shop.mug_product, status)
    await require(api, "IMAGE_PRESENT", "SEO_SET")
    before = await row_of(database, "mug")
    mug = {"id": of("product", shop.mug_product), "expectedVersion": before.version if before else 0}

    async with recording(database) as facts:
        refused = await call(api, UPDATE, **mug, status="ACTIVE", vendor="Lü")

    assert refused["product"] is None
    assert [(error["code"], error["field"], error["message"]) for error in refused["userErrors"]] == [
        (MISSING, ["status"], NO_PICTURE),
        (MISSING, ["status"], NO_SEO),
    ]
    assert facts.found == []
    assert await row_of(database, "mug") == before
    assert not await is_seen(api, "mug")


async def test_what_the_same_update_brings_counts(api: Api, shop: Shop, database: Database) -> None:
    await as_draft(api, database, "mug", shop.mug_product)
    await require(api, "SEO_SET")
    mug = {"id": of("product", shop.mug_product), "expectedVersion": await version_of(database, "mug")}

    made = await call(api, UPDATE, **mug, status="ACTIVE", seo={"title": "Mug", "description": "A mug"})

    assert made["userErrors"] == []
    assert await is_seen(api, "mug")


async def test_force_brings_it_back(api: Api, shop: Shop, database: Database) -> None:
    await as_draft(api, database, "mug", shop.mug_product)
    await require(api, "IMAGE_PRESENT")

    forced = await call(
        api,
        PUBLISH,
        Permission.WRITE_PRODUCTS,
        Permission.WRITE_SETTINGS,
        id=of("product", shop.mug_product),
        force=True,
    )

    assert forced == {"product": {"status": "ACTIVE"}, "userErrors": []}
    assert await is_seen(api, "mug")


async def test_what_comes_before_nobody_is_not_asked(api: Api, shop: Shop, database: Database) -> None:
    await require(api, "IMAGE_PRESENT")
    secret, mug = of("product", shop.secret_product), of("product", shop.mug_product)

    made = await call(api, CREATE, title="Tea", status="ACTIVE")
    hidden = await call(api, UPDATE, id=secret, expectedVersion=1, status="ACTIVE")
    live = await call(api, UPDATE, id=mug, expectedVersion=2, status="ACTIVE", vendor="Lü", title="Big mug")
    same = await call(api, SET, identifier={"handle": "mug"}, status="ACTIVE", vendor="Lü & Co")

    assert [one["userErrors"] for one in (made, hidden, live, same)] == [[], [], [], []]
    assert [one["product"]["status"] for one in (made, hidden, live, same)] == ["ACTIVE"] * 4
    assert [await is_seen(api, handle) for handle in ("tea", "secret", "mug")] == [False, False, True]


async def test_planned_publication_counts_and_a_past_one_does_not(api: Api, shop: Shop, database: Database) -> None:
    mug, poster = of("product", shop.mug_product), of("product", shop.poster_product)
    await call(api, PUBLISH, id=mug, publishAt="2990-01-01T00:00:00Z")
    await as_draft(api, database, "mug", shop.mug_product)
    await as_draft(api, database, "poster", shop.poster_product)
    await call(api, UNPUBLISH, id=poster)
    await require(api, "IMAGE_PRESENT")

    planned = await call(api, UPDATE, id=mug, expectedVersion=await version_of(database, "mug"), status="ACTIVE")
    past = await call(api, UPDATE, id=poster, expectedVersion=await version_of(database, "poster"), status="ACTIVE")

    assert [(error["code"], error["field"]) for error in planned["userErrors"]] == [(MISSING, ["status"])]
    assert past["userErrors"] == []


@pytest.mark.parametrize("policy", ["REJECT_ALL", "REJECT_FAILED"])
async def test_many_updates_refuse_the_unready_ones(api: Api, shop: Shop, database: Database, policy: str) -> None:
    await as_draft(api, database, "mug", shop.mug_product)
    await require(api, "IMAGE_PRESENT")
    before = await row_of(database, "mug")
    rows = [
        {"id": of("product", shop.poster_product), "expectedVersion": 2, "vendor": "Lü"},
        {"id": of("product", shop.mug_product), "expectedVersion": 3, "vendor": "Lü", "status": "ACTIVE"},
        {"id": of("product", shop.secret_product), "expectedVersion": 1, "vendor": "Lü", "status": "ACTIVE"},
    ]

    done = await call(api, BULK, products=rows, errorPolicy=policy)

    error = {"code": MISSING, "field": ["products", "1", "status"]}
    assert done["userErrors"] == [error]
    if policy == "REJECT_ALL":
        assert done["results"] == []
    else:
        assert done["results"] == [
            {"index": 0, "product": {"status": "ACTIVE", "vendor": "Lü"}, "userErrors": []},
            {"index": 1, "product": None, "userErrors": [error]},
            {"index": 2, "product": {"status": "ACTIVE", "vendor": "Lü"}, "userErrors": []},
        ]
    assert await row_of(database, "mug") == before


async def test_product_that_is_set_is_refused_whole(api: Api, shop: Shop, database: Database) -> None:
    await as_draft(api, database, "mug", shop.mug_product)
    await require(api, "STOCK_TRACKED")
    before = await row_of(database, "mug")
    wish = {"identifier": {"handle": "mug"}, "title": "Tall mug", "status": "ACTIVE"}
    mug = {"sku": "MUG", "price": "12"}

    async with recording(database) as facts:
        refused = await call(api, SET, **wish, variants=[{**mug, "tracked": False}])
    ready = await call(api, SET, **wish, variants=[{**mug, "tracked": True}])

    assert refused == {"outcome": None, "product": None, "userErrors": [{"code": MISSING, "field": ["status"]}]}
    assert facts.found == []
    assert before is not None
    assert ready == {"outcome": "UPDATED", "product": {"status": "ACTIVE"}, "userErrors": []}
    assert await is_seen(api, "mug")


async def test_earlier_version_is_refused_that_would_be_seen(api: Api, shop: Shop, database: Database) -> None:
    await as_draft(api, database, "mug", shop.mug_product)
    await require(api, "IMAGE_PRESENT")
    before = await row_of(database, "mug")

    refused = await call(api, REVERT, id=of("product", shop.mug_product), expectedVersion=3, toVersion=2)

    assert refused == {"product": None, "userErrors": [{"code": MISSING, "field": ["toVersion"]}]}
    assert await row_of(database, "mug") == before


@pytest.mark.parametrize("is_dry_run", [True, False])
async def test_file_of_products_is_told_which_are_not_ready(
    api: Api, shop: Shop, database: Database, is_dry_run: bool
) -> None:
    await as_draft(api, database, "mug", shop.mug_product)
    await require(api, "IMAGE_PRESENT", "SEO_SET")
    picture = ImportedImage(2, "https://pictures.test/a.png", "", 1)
    bare = product("bare", variant(2, sku="BARE"))
    ready = replace(product("ready", variant(3, sku="READY")), images=(picture,), seo_title="T", seo_description="D")
    draft = replace(product("draft", variant(4, sku="DRAFT")), status="DRAFT")
    hidden = replace(product("hidden", variant(5, sku="HIDDEN")), is_published=False)
    mug = product("mug", variant(6, "12.90", sku="MUG"))
    secret = replace(product("secret", variant(7, "99", sku="SECRET")), images=(picture,))

    report = await import_products(database, [bare, ready, draft, hidden, mug, secret], is_dry_run=is_dry_run)

    assert report == ImportReport(
        created=3,
        refused=3,
        rows=6,
        problems=[
            RowProblem(2, "Published", NO_PICTURE),
            RowProblem(2, "Published", NO_SEO),
            RowProblem(6, "Status", NO_PICTURE),
            RowProblem(6, "Status", NO_SEO),
            RowProblem(7, "Published", NO_SEO),
        ],
    )
    assert {problem.code for problem in report.problems} == {MISSING}
    assert [await row_of(database, handle) is not None for handle in ("bare", "ready", "draft", "hidden")] == (
        [False, False, False, False] if is_dry_run else [False, True, True, True]
    )
    seen = ("mug", "secret", "bare", "ready")
    assert [await is_seen(api, handle) for handle in seen] == [False, False, False, not is_dry_run]


async def test_product_hidden_by_a_file_is_not_asked(api: Api, shop: Shop, database: Database) -> None:
    await as_draft(api, database, "mug", shop.mug_product)
    await require(api, "IMAGE_PRESENT")

    report = await import_products(
        database, [replace(product("mug", variant(2, "12.90", sku="MUG")), is_published=False)]
    )

    assert report == ImportReport(updated=1, rows=1)
    row = await row_of(database, "mug")
    assert row is not None
    assert row.status == "ACTIVE"
    assert not await is_seen(api, "mug")


async def test_lines_of_json_are_told_which_are_not_ready(api: Api, shop: Shop, database: Database) -> None:
    await as_draft(api, database, "mug", shop.mug_product)
    await require(api, "IMAGE_PRESENT")
    before = await row_of(database, "mug")
    wishes = [
        {"identifier": {"handle": "mug"}, "vendor": "Lü", "status": "ACTIVE"},
        {"identifier": {"handle": "tea"}, "title": "Tea", "status": "ACTIVE"},
    ]

    job = await started(api, "".join(f"{orjson.dumps(wish).decode()}\n" for wish in wishes), format="JSONL")
    await work(api)

    done = await shown(api, job)
    assert done["counts"] == {"created": 1, "updated": 0, "unchanged": 0, "refused": 1}
    told = [orjson.loads(line) for line in (await fetched(api, done["errorsUrl"])).splitlines()]
    assert [(one["line"], one["field"], one["code"]) for one in told] == [(1, ["status"], MISSING)]
    assert await row_of(database, "mug") == before
    assert not await is_seen(api, "tea")


async def test_generated_catalog_is_made_whatever_is_required(api: Api, shop: Shop, database: Database) -> None:
    await require(api, "IMAGE_PRESENT")

    assert await generated.grow(database, 3, on_progress=lambda _progress: None) == 3

    assert await is_seen(api, generated.HANDLE.format(number=1))
