"""Do files become products, and products files, in the background, whoever carries the job on?"""

import asyncio
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select, update

from headless.accounts.rules import Permission
from headless.catalog.models import products
from headless.merchandising import importing, set_batches, set_lines, setting
from headless.merchandising.jobs import files, running, service
from headless.merchandising.jobs.models import bulk_jobs, bulk_uploads
from headless.merchandising.setting import Hand, ProductWish, SetProduct
from headless.platform import clock, ids
from headless.platform.db import Database, Session
from tests.builders import Shop, assert_books_balance
from tests.graphql.client import Api, Reply

JOB = (
    "id kind format status dryRun rowsDone rowsTotal errorCount message createdBy startedAt finishedAt resultUrl errorsUrl"
    " counts { created updated unchanged refused }"
)
IMPORT = f"mutation($i: BulkImportStartInput!) {{ bulkImportStart(input: $i) {{ job {{ {JOB} }} userErrors {{ code field }} }} }}"
EXPORT = f"mutation($i: BulkExportStartInput!) {{ bulkExportStart(input: $i) {{ job {{ {JOB} }} userErrors {{ code field }} }} }}"
CANCEL = f"mutation($i: BulkJobCancelInput!) {{ bulkJobCancel(input: $i) {{ job {{ {JOB} }} userErrors {{ code field }} }} }}"
SHOW = f"query($id: ID!) {{ bulkJob(id: $id) {{ {JOB} }} }}"
LIST = "query { bulkJobs(first: 2) { totalCount nodes { id status } pageInfo { hasNextPage } } }"
HEADER = "Handle,Title,Variant SKU,Variant Price,Variant Inventory Tracker,Variant Inventory Qty\n"
CSV = (
    HEADER
    + "tea,Tea,TEA,5.00,shopify,7\nbad,Bad,,none,,\nmug,Mug,MUG,12.90,shopify,10\n,Lost,,1,,\ncoffee,Coffee,C,6.00,,\n"
)


async def call(api: Api, document: str, wanted: dict[str, Any], *also: Permission) -> Any:
    reply = await api.execute(document, {"i": wanted}, token=await api.token(Permission.WRITE_PRODUCTS, *also))
    (answer,) = reply.data.values()
    return answer


async def send(api: Api, content: str | bytes, *permissions: Permission) -> Reply:
    token = await api.token(*(permissions or (Permission.WRITE_PRODUCTS,)))
    return await api.request("POST", "/bulk/uploads", content=content, token=token)


async def uploaded(api: Api, content: str) -> str:
    return str((await send(api, content)).body["uploadId"])


async def started(api: Api, content: str, **wanted: Any) -> dict[str, Any]:
    upload_id = await uploaded(api, content)
    done = await call(api, IMPORT, {"uploadId": upload_id, "format": "CSV", **wanted})
    assert done["userErrors"] == []
    return dict(done["job"])


async def work(api: Api) -> int:
    return await running.run_next(api.server.database, api.server.storage, media_url="http://shop.test/media/")


async def shown(api: Api, job: dict[str, Any]) -> dict[str, Any]:
    reply = await api.execute(SHOW, {"id": job["id"]}, token=await api.token(Permission.READ_PRODUCTS))
    return dict(reply.data["bulkJob"])


async def fetched(api: Api, url: str) -> str:
    response = await api.client.get(url.removeprefix("http://shop.test"))
    assert response.status_code == 200
    return response.text


async def handles(database: Database) -> set[str]:
    async with database.reading() as session:
        return set(await session.scalars(select(products.c.handle)))


async def test_csv_file_becomes_products(api: Api, shop: Shop, database: Database) -> None:
    job = await started(api, CSV)
    assert (job["kind"], job["status"], job["rowsDone"], job["rowsTotal"]) == ("IMPORT", "QUEUED", 0, None)
    assert (job["resultUrl"], job["errorsUrl"], job["createdBy"]) == (None, None, "Robot")

    assert await work(api) == 1
    assert await work(api) == 0

    done = await shown(api, job)
    assert (done["status"], done["rowsDone"], done["rowsTotal"], done["errorCount"]) == ("COMPLETED", 6, 6, 3)
    assert done["counts"] == {"created": 2, "updated": 0, "unchanged": 1, "refused": 0}
    assert done["startedAt"] <= done["finishedAt"]
    results = [orjson.loads(line) for line in (await fetched(api, done["resultUrl"])).splitlines()]
    assert results == [
        {"line": 2, "handle": "tea", "outcome": "CREATED"},
        {"line": 4, "handle": "mug", "outcome": "UNCHANGED"},
        {"line": 6, "handle": "coffee", "outcome": "CREATED"},
    ]
    told = (await fetched(api, done["errorsUrl"])).splitlines()
    assert told[0] == "line,column,code,message"
    assert [line.split(",")[:3] for line in told[1:]] == [
        ["3", "Variant Price", "INVALID_INPUT"],
        ["3", "Variant Price", "INVALID_INPUT"],
        ["5", "Handle", "INVALID_INPUT"],
    ]
    assert {"tea", "coffee"} <= await handles(database)
    await assert_books_balance(database)


async def test_lines_of_json_set_products(api: Api, shop: Shop, database: Database) -> None:
    lines = [
        {"identifier": {"handle": "tea"}, "title": "Tea", "variants": [{"price": "5", "sku": "TEA"}]},
        {"identifier": {"handle": "mug"}, "vendor": "Potter"},
        {"identifier": {"handle": "mug"}, "vendor": "Potter"},
        {"identifier": {"handle": "mug"}, "expectedVersion": 1},
        {"identifier": {"handle": "x"}, "title": "X", "colour": "red"},
        {"identifier": {"handle": "y"}, "title": "Y", "variants": [{"price": "5", "sku": "MUG"}]},
    ]
    text = "".join(f"{orjson.dumps(line).decode()}\n" for line in lines) + "\nnot json\n"
    job = await started(api, text, format="JSONL")

    await work(api)

    done = await shown(api, job)
    assert (done["status"], done["rowsDone"], done["rowsTotal"]) == ("COMPLETED", 8, 8)
    assert done["counts"] == {"created": 1, "updated": 1, "unchanged": 1, "refused": 4}
    errors = [orjson.loads(line) for line in (await fetched(api, done["errorsUrl"])).splitlines()]
    assert [(error["line"], error["field"], error["code"]) for error in errors] == [
        (4, ["expectedVersion"], "STALE_OBJECT"),
        (5, ["colour"], "INVALID_INPUT"),
        (6, ["variants", "0", "sku"], "TAKEN"),
        (8, [], "INVALID_INPUT"),
    ]
    results = [orjson.loads(line) for line in (await fetched(api, done["resultUrl"])).splitlines()]
    assert [(each["line"], each["outcome"]) for each in results] == [(1, "CREATED"), (2, "UPDATED"), (3, "UNCHANGED")]
    assert not {"x", "y"} & await handles(database)


async def test_no_line_of_json_holds_a_nul_and_none_stops_those_after_it(
    api: Api, shop: Shop, database: Database
) -> None:
    tea, known = {"identifier": {"handle": "tea"}, "title": "Tea"}, await handles(database)
    wrong: list[tuple[dict[str, Any], list[str]]] = [
        ({"identifier": {"externalReference": "\0"}}, ["identifier", "externalReference"]),
        ({"title": "T\0"}, ["title"]),
        ({"descriptionHtml": "\0"}, ["descriptionHtml"]),
        ({"tags": ["a", "b\0"]}, ["tags", "1"]),
        ({"seo": {"title": "\0"}}, ["seo", "title"]),
        ({"options": [{"name": "Size", "values": ["\0"]}]}, ["options", "0", "values", "0"]),
        ({"category": {"handle": "\0"}}, ["category", "handle"]),
        ({"media": [{"url": "https://x.example/a.png", "altText": "\0"}]}, ["media", "0", "altText"]),
        ({"variants": [{"price": 1}, {"price": 1, "sku": "\0"}]}, ["variants", "1", "sku"]),
        ({"metafields": [{"namespace": "a", "key": "b", "value": "\0"}]}, ["metafields", "0", "value"]),
        ({"translations": [{"locale": "de", "key": "title", "value": "\0"}]}, ["translations", "0", "value"]),
    ]
    lines = [*({**tea, **values} for values, _field in wrong), {**tea, "variants": [{"price": 1}]}, {"identifier": []}]
    job = await started(api, "".join(f"{orjson.dumps(line).decode()}\n" for line in lines), format="JSONL")
    assert await work(api) == 1
    done = await shown(api, job)
    errors = [orjson.loads(error) for error in (await fetched(api, done["errorsUrl"])).splitlines()]

    nul = {"code": "INVALID_INPUT", "message": "A text can't hold the character NUL."}
    told = [{"line": line, "field": field, **nul} for line, (_values, field) in enumerate(wrong, 1)]
    brace = {"code": "INVALID_INPUT", "message": "This is an object, in braces."}
    assert errors == [*told, {"line": 13, "field": ["identifier"], **brace}]
    assert done["status"] == "COMPLETED"
    assert done["counts"] == {"created": 1, "updated": 0, "unchanged": 0, "refused": 12}
    assert await handles(database) - known == {"tea"}


async def test_a_time_beyond_the_calendar_stops_no_line_after_it(api: Api, shop: Shop, database: Database) -> None:
    known = await handles(database)
    times = [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "2030-01-01T00:00:00",
        "2030-01-01T00:00:00+14:00",
    ]
    lines = [
        {"identifier": {"handle": f"tea-{nth}"}, "title": "Tea", "variants": [{"price": 1, "expectedAt": time}]}
        for nth, time in enumerate(times, 1)
    ]
    job = await started(api, "".join(f"{orjson.dumps(line).decode()}\n" for line in lines), format="JSONL")
    assert await work(api) == 1
    done = await shown(api, job)
    errors = [orjson.loads(error) for error in (await fetched(api, done["errorsUrl"])).splitlines()]

    message = "A time needs its offset and a year from 1000 to 8999, such as 2030-01-31T12:00:00Z."
    refused = {"field": ["variants", "0", "expectedAt"], "code": "INVALID_INPUT", "message": message}
    assert errors == [{"line": line, **refused} for line in (1, 2, 3)]
    assert done["counts"] == {"created": 1, "updated": 0, "unchanged": 0, "refused": 3}
    assert await handles(database) - known == {"tea-4"}


async def test_a_line_that_the_server_fails_at_is_told_and_stops_no_other(
    api: Api, shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await handles(database)
    put, parsed = setting.put, set_lines.parsed

    async def fail_at_3(session: Session, wish: ProductWish, hand: Hand) -> SetProduct:
        made = await put(session, wish, hand)
        if wish.identifier.handle == "tea-3":
            raise ZeroDivisionError
        return made

    def fail_at_5(line: bytes) -> ProductWish:
        if b"tea-5" in line:
            raise ZeroDivisionError
        return parsed(line)

    monkeypatch.setattr(set_batches, "put", fail_at_3)
    monkeypatch.setattr(set_lines, "parsed", fail_at_5)
    lines = [
        {"identifier": {"handle": f"tea-{nth}"}, "title": "Tea", "variants": [{"price": 1}]} for nth in range(1, 7)
    ]
    job = await started(api, "".join(f"{orjson.dumps(line).decode()}\n" for line in lines), format="JSONL")
    assert await work(api) == 1
    done = await shown(api, job)
    errors = [orjson.loads(error) for error in (await fetched(api, done["errorsUrl"])).splitlines()]

    assert [(error["line"], error["field"], error["code"]) for error in errors] == [
        (3, [], "INTERNAL_SERVER_ERROR"),
        (5, [], "INTERNAL_SERVER_ERROR"),
    ]
    assert errors[0]["message"].startswith("The server fails at this, which is a fault of ours")
    assert done["status"] == "COMPLETED"
    assert done["counts"] == {"created": 4, "updated": 0, "unchanged": 0, "refused": 2}
    assert await handles(database) - known == {"tea-1", "tea-2", "tea-4", "tea-6"}


@pytest.mark.parametrize("form", ["CSV", "JSONL"])
async def test_dry_run_keeps_nothing(api: Api, shop: Shop, database: Database, form: str) -> None:
    line = orjson.dumps({"identifier": {"handle": "tea"}, "title": "Tea", "variants": [{"price": "5"}]}).decode()
    job = await started(api, CSV if form == "CSV" else line, format=form, dryRun=True)
    before = await handles(database)

    await work(api)

    done = await shown(api, job)
    assert (done["status"], done["dryRun"], done["counts"]["created"]) == (
        "COMPLETED",
        True,
        2 if form == "CSV" else 1,
    )
    assert await handles(database) == before


@pytest.mark.parametrize("form", ["CSV", "JSONL"])
async def test_what_is_exported_is_imported_without_a_change(api: Api, shop: Shop, form: str) -> None:
    job = (await call(api, EXPORT, {"format": form}))["job"]
    await work(api)

    done = await shown(api, job)
    assert (done["kind"], done["status"], done["rowsDone"], done["rowsTotal"]) == ("EXPORT", "COMPLETED", 5, 5)
    assert (done["counts"], done["errorsUrl"]) == (None, None)
    file = await fetched(api, done["resultUrl"])
    assert len(file.splitlines()) == (7 if form == "CSV" else 5)
    again = await started(api, file, format=form)
    await work(api)
    assert (await shown(api, again))["counts"] == {"created": 0, "updated": 0, "unchanged": 5, "refused": 0}


async def test_export_of_a_search_holds_what_it_finds(api: Api, shop: Shop) -> None:
    job = (await call(api, EXPORT, {"format": "JSONL", "query": "shirt"}))["job"]
    await work(api)

    done = await shown(api, job)
    (line,) = (await fetched(api, done["resultUrl"])).splitlines()
    assert orjson.loads(line)["identifier"] == {"handle": "shirt"}
    assert (done["rowsDone"], done["rowsTotal"]) == (1, 1)


async def test_job_goes_on_where_a_crashed_worker_left_it(
    api: Api, shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 10)
    many = HEADER + "".join(f"thing-{nth},Thing,T-{nth},1.00,shopify,{nth % 3}\n" for nth in range(40))
    job = await started(api, many + "thing-0,Again,,1.00,,\n")
    job_id = ids.decode("bulk_job", job["id"])

    class Killed(BaseException):
        pass

    reached = 0

    def die(name: str) -> None:
        nonlocal reached
        reached += name == "bulk.after_chunk"
        if reached == 3:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("headless.platform.failpoints.reach", die)
        with pytest.raises(Killed):
            await work(api)
    half = await shown(api, job)
    assert (half["status"], half["rowsDone"]) == ("RUNNING", 11)
    assert await work(api) == 0  # its lease holds
    async with database.transaction() as session:
        await session.execute(update(bulk_jobs).values(leased_until=clock.now() - timedelta(seconds=1)))

    assert await work(api) == 1

    done = await shown(api, job)
    assert (done["status"], done["rowsDone"], done["rowsTotal"], done["errorCount"]) == ("COMPLETED", 42, 42, 1)
    assert done["counts"] == {"created": 35, "updated": 0, "unchanged": 5, "refused": 0}
    assert len((await fetched(api, done["resultUrl"])).splitlines()) == 40
    assert "came earlier" in await fetched(api, done["errorsUrl"])
    async with database.reading() as session:
        made = products.c.handle.startswith("thing-")
        assert await session.scalar(select(func.count()).select_from(products).where(made)) == 40
        assert (await session.execute(select(bulk_jobs.c.holder).where(bulk_jobs.c.id == job_id))).scalar_one()
    await assert_books_balance(database)


async def test_export_goes_on_where_a_crashed_worker_left_it(
    api: Api, shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = [(await call(api, EXPORT, {"format": "CSV"}))["job"] for _nth in range(2)]
    assert await work(api) == 1

    class Killed(BaseException):
        pass

    def die(name: str) -> None:
        if name == "bulk.after_part":
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("headless.platform.failpoints.reach", die)
        with pytest.raises(Killed):
            await work(api)
    assert (await shown(api, broken))["status"] == "RUNNING"
    async with database.transaction() as session:
        await session.execute(update(bulk_jobs).values(leased_until=clock.now() - timedelta(seconds=1)))

    assert await work(api) == 1

    first, second = [await shown(api, job) for job in (whole, broken)]
    assert [first["status"], second["status"]] == ["COMPLETED"] * 2
    assert await fetched(api, first["resultUrl"]) == await fetched(api, second["resultUrl"]) != ""


async def test_of_two_workers_one_gets_a_job_and_who_lost_it_writes_no_more(api: Api, database: Database) -> None:
    await started(api, CSV)
    async with database.transaction() as session:
        mine = await service.claim(session)
        assert await service.claim(session) is None
    async with database.transaction() as session:
        await session.execute(update(bulk_jobs).values(leased_until=clock.now() - timedelta(seconds=1)))
        other = await service.claim(session)

    assert mine is not None
    assert other is not None
    assert (mine.id, mine.attempts, other.attempts) == (other.id, 1, 2)
    with pytest.raises(service.LeaseLost):
        await service.advance(database, mine, steps=9)
    await service.advance(database, other, steps=1)


async def test_job_that_never_gets_further_fails(api: Api, database: Database) -> None:
    job = await started(api, CSV)
    async with database.transaction() as session:
        await session.execute(update(bulk_jobs).values(attempts=service.ATTEMPTS))

    await work(api)

    done = await shown(api, job)
    assert (done["status"], done["counts"]["created"]) == ("FAILED", 0)
    assert "never got any further" in done["message"]


async def test_job_without_its_file_fails(api: Api, database: Database) -> None:
    job = await started(api, CSV)
    async with database.reading() as session:
        key = await session.scalar(select(bulk_uploads.c.key))
    await api.server.storage.delete(str(key))

    await work(api)

    assert (await shown(api, job))["message"] == "The uploaded file is gone. Upload it again."


async def test_cancelled_job_does_nothing(api: Api, shop: Shop, database: Database) -> None:
    job = await started(api, CSV)
    before = await handles(database)

    cancelled = await call(api, CANCEL, {"id": job["id"]})
    again = await call(api, CANCEL, {"id": job["id"]})

    assert cancelled["job"]["status"] == again["job"]["status"] == "CANCELLED"
    assert await work(api) == 0
    assert await handles(database) == before
    other = await started(api, CSV)
    await work(api)
    late = await call(api, CANCEL, {"id": other["id"]})
    assert late["userErrors"] == [{"code": "INVALID_INPUT", "field": ["id"]}]
    absent = await call(api, CANCEL, {"id": "bulk_job_01h455vb4pex5vsknk084sn02q"})
    assert absent["userErrors"] == [{"code": "NOT_FOUND", "field": ["id"]}]


async def test_same_key_starts_one_job(api: Api) -> None:
    upload_id = await uploaded(api, CSV)
    wanted = {"uploadId": upload_id, "format": "CSV", "idempotencyKey": "k"}

    first, second = [await call(api, IMPORT, wanted) for _nth in range(2)]
    other = await call(api, IMPORT, {**wanted, "dryRun": True})

    assert first["job"]["id"] == second["job"]["id"]
    assert other["userErrors"] == [{"code": "IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "field": ["idempotencyKey"]}]
    listed = await api.execute(LIST, token=await api.token(Permission.READ_PRODUCTS))
    assert listed.data["bulkJobs"]["totalCount"] == 1
    exports = await asyncio.gather(*(call(api, EXPORT, {"format": "CSV", "idempotencyKey": "x"}) for _nth in range(5)))
    assert len({export["job"]["id"] for export in exports if export["job"]}) == 1
    assert {error["code"] for export in exports for error in export["userErrors"]} <= {"IDEMPOTENCY_CONCURRENT_REQUEST"}


async def test_unknown_upload_is_refused(api: Api) -> None:
    for upload_id in ("bulk_upload_01h455vb4pex5vsknk084sn02q", "nonsense"):
        done = await call(api, IMPORT, {"uploadId": upload_id, "format": "CSV"})
        assert done == {"job": None, "userErrors": [{"code": "NOT_FOUND", "field": ["uploadId"]}]}


async def test_stock_needs_its_own_permission(api: Api) -> None:
    upload_id = await uploaded(api, CSV)
    wanted = {"uploadId": upload_id, "format": "CSV", "stock": True}

    reply = await api.execute(IMPORT, {"i": wanted}, token=await api.token(Permission.WRITE_PRODUCTS))
    allowed = await call(api, IMPORT, wanted, Permission.WRITE_INVENTORY)

    assert reply.codes == ["FORBIDDEN"]
    assert allowed["userErrors"] == []


async def test_only_who_may_write_products_sends_files(api: Api) -> None:
    anonymous = await api.request("POST", "/bulk/uploads", content="x")
    reader = await send(api, "x", Permission.READ_PRODUCTS)
    invalid = await api.request("POST", "/bulk/uploads", content="x", token="nonsense")
    empty = await send(api, "")
    large = await api.request(
        "POST", "/bulk/uploads", headers={"Content-Length": str(10**12)}, content=b"x", token=await api.every_token()
    )

    assert [reply.status for reply in (anonymous, reader, invalid, empty, large)] == [401, 403, 401, 400, 413]
    codes = [reply.body["errors"][0]["extensions"]["code"] for reply in (anonymous, reader, invalid, empty, large)]
    assert codes == ["UNAUTHENTICATED", "FORBIDDEN", "UNAUTHENTICATED", "BAD_USER_INPUT", "BAD_USER_INPUT"]


async def test_files_are_for_those_who_have_a_good_link(api: Api, shop: Shop, database: Database) -> None:
    job = (await call(api, EXPORT, {"format": "CSV"}))["job"]
    await work(api)
    url = (await shown(api, job))["resultUrl"].removeprefix("http://shop.test")
    keys = await api.server.storage.keys(files.ROOT)

    async def status(path: str) -> int:
        return (await api.client.get(path)).status_code

    assert await status(url) == 200
    assert await status(url.partition("?")[0]) == 404
    assert await status(url[:-1] + ("0" if url[-1] != "0" else "1")) == 404
    assert await status(url.replace("/result", "/errors")) == 404
    assert await status(url.replace("expires=", "expires=9")) == 404
    assert await status(url.replace("signature=", "signature=zz")) == 404
    assert len(keys) == 1
    assert await status(f"/media/{keys[0]}") == 404


async def test_old_uploads_and_jobs_are_forgotten_with_their_files(api: Api, shop: Shop, database: Database) -> None:
    await started(api, CSV)
    await work(api)
    waiting = await started(api, CSV)
    long_ago = clock.now() - timedelta(days=40)
    async with database.transaction() as session:
        await session.execute(update(bulk_uploads).values(created_at=long_ago))
        await session.execute(
            update(bulk_jobs).where(bulk_jobs.c.finished_at.is_not(None)).values(finished_at=long_ago)
        )

    assert await running.sweep(database, api.server.storage) == 2

    listed = await api.execute(LIST, token=await api.token(Permission.READ_PRODUCTS))
    assert [row["id"] for row in listed.data["bulkJobs"]["nodes"]] == [waiting["id"]]
    assert len(await api.server.storage.keys(files.ROOT)) == 1
