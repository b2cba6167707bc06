"""Do staff send pictures and arrange them, and does everybody get them in the size that is asked for?"""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine

from headless.accounts.rules import Permission
from headless.catalog import gallery, kinds, uploads
from headless.graphql.media import thumbnails
from headless.platform import clock, ids, images, outbox
from headless.platform.db import Database
from headless.platform.errors import InvalidInput
from headless.settings import Settings
from tests.builders import Shop
from tests.graphql.client import Api, Reply, of
from tests.pictures import NOT_PICTURES, SECRET, bomb, film, opened, photo, picture

FRESH = 2
"""The version of a product of the small shop: publishing it counted."""
STAFF = (Permission.WRITE_PRODUCTS, Permission.READ_PRODUCTS)
MEDIA = "id kind status altText mimeType width height url"
ADD = f"mutation ($input: ProductMediaAddInput!) {{ productMediaAdd(input: $input) {{ product {{ version media {{ nodes {{ id }} }} }} media {{ {MEDIA} error }} userErrors {{ code field message }} }} }}"
UPDATE = "mutation ($input: ProductMediaUpdateInput!) { productMediaUpdate(input: $input) { product { version } media { altText } userErrors { code field } } }"
REMOVE = "mutation ($input: ProductMediaRemoveInput!) { productMediaRemove(input: $input) { product { version media { nodes { altText } } } userErrors { code field } } }"
REORDER = "mutation ($input: ProductMediaReorderInput!) { productMediaReorder(input: $input) { product { version featuredMedia { altText } media { nodes { altText } } } userErrors { code field } } }"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"upload_mb": 1, "picture_megapixels": 1})


async def send(
    api: Api, content: bytes, *permissions: Permission, name: str = "a.png", kind: str = "image/png"
) -> Reply:
    token = await api.token(*(permissions or STAFF))
    return await api.request("POST", "/media/uploads", files={"file": (name, content, kind)}, token=token)


async def add(api: Api, product_id: Any, *media: dict[str, Any], version: int = FRESH) -> dict[str, Any]:
    given = {"productId": of("product", product_id), "expectedVersion": version, "media": list(media)}
    reply = await api.execute(ADD, {"input": given}, token=await api.token(*STAFF))
    made: dict[str, Any] = reply.data["productMediaAdd"]
    return made


async def call(api: Api, document: str, product_id: Any, version: int, **given: Any) -> dict[str, Any]:
    wanted = {"productId": of("product", product_id), "expectedVersion": version, **given}
    reply = await api.execute(document, {"input": wanted}, token=await api.token(*STAFF))
    (made,) = reply.data.values()
    return dict(made)


def path_of(url: str) -> str:
    assert url.startswith("http://shop.test/media/")
    return url.removeprefix("http://shop.test")


async def files_of(api: Api) -> list[str]:
    return list(await api.server.storage.keys(""))


async def test_photo_is_sent_shown_and_served_without_its_secrets(api: Api, shop: Shop, database: Database) -> None:
    sent = await send(api, photo(), name="IMG_1.png", kind="image/png")

    assert sent.status == 201, sent.body
    upload = sent.body
    assert {name: upload[name] for name in ("fileName", "mimeType", "width", "height")} == {
        "fileName": "IMG_1.png", "mimeType": "image/jpeg", "width": 600, "height": 800,
    }  # fmt: skip

    made = await add(api, shop.mug_product, {"uploadId": upload["uploadId"], "altText": "A mug"})

    assert made["userErrors"] == []
    (shown,) = made["media"]
    assert made["product"] == {"version": 3, "media": {"nodes": [{"id": shown["id"]}]}}
    assert shown | {"id": "", "url": ""} == {
        "id": "", "url": "", "kind": "IMAGE", "status": "READY", "altText": "A mug", "mimeType": "image/jpeg", "width": 600, "height": 800, "error": None,
    }  # fmt: skip
    response = await api.client.get(path_of(shown["url"]))
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert SECRET not in response.content
    assert len(response.content) == upload["size"]
    known = await api.client.get(path_of(shown["url"]), headers={"If-None-Match": response.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    async with database.transaction() as session:
        await outbox.number(session)
        facts = await outbox.read_after(session, 0)
    assert [(fact.topic, fact.key) for fact in facts][-1] == ("product.updated", shop.mug_product)


async def test_upload_is_used_once_even_by_two_at_once(api: Api, shop: Shop) -> None:
    upload = {"uploadId": (await send(api, picture())).body["uploadId"]}

    results = await asyncio.gather(add(api, shop.mug_product, upload), add(api, shop.shirt_product, upload))

    assert sorted(len(result["media"] or ()) for result in results) == [0, 1]
    (loser,) = (result for result in results if result["media"] is None)
    assert [(error["code"], error["field"]) for error in loser["userErrors"]] == [
        ("NOT_FOUND", ["media", "0", "uploadId"])
    ]


async def test_same_picture_is_kept_once(api: Api) -> None:
    await asyncio.gather(*(send(api, picture(), name=f"{nth}.png") for nth in range(3)))

    assert len(await files_of(api)) == 1


async def test_who_may_not_send_is_told_so(api: Api) -> None:
    files = {"file": ("a.png", picture(), "image/png")}
    anonymous = await api.request("POST", "/media/uploads", files=files)
    unknown = await api.request("POST", "/media/uploads", files=files, token="hl_none")
    reader = await send(api, picture(), Permission.READ_PRODUCTS)

    assert [(reply.status, reply.codes) for reply in (anonymous, unknown, reader)] == [
        (401, ["UNAUTHENTICATED"]), (401, ["UNAUTHENTICATED"]), (403, ["FORBIDDEN"]),
    ]  # fmt: skip
    assert await files_of(api) == []


async def test_what_is_no_picture_is_refused_whatever_it_says_it_is(api: Api) -> None:
    for name, content in NOT_PICTURES.items():
        reply = await send(api, content, name="a.png", kind="image/png")

        assert (reply.status, reply.codes) == (415, ["BAD_USER_INPUT"]), name
        assert ("SVG" in reply.errors[0]["message"]) is name.startswith("svg")
    assert await files_of(api) == []


async def test_too_much_is_refused_before_it_is_read_to_the_end(api: Api) -> None:
    token = await api.token(*STAFF)
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        while True:
            sent += 1
            yield bytes(64 * 1024)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    large = await send(api, picture() + bytes(1024 * 1024))
    streamed = await api.request("POST", "/media/uploads", content=endless(), headers=headers, token=token)
    many_pixels = await send(api, bomb())

    assert [(reply.status, reply.codes) for reply in (large, streamed, many_pixels)] == [(413, ["BAD_USER_INPUT"])] * 3
    assert sent < 100
    assert await files_of(api) == []


async def test_forms_that_hold_no_file_are_refused(api: Api) -> None:
    token = await api.token(*STAFF)
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    wrong = [
        ({"Content-Type": "application/json"}, b"{}", 415),
        ({"Content-Type": "image/png"}, picture(), 415),
        ({"Content-Type": "multipart/form-data"}, b"", 400),
        (form, b"no form", 400),
        (form, b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--x--\r\n', 400),
        (form, b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + picture(), 400),
    ]

    for headers, content, status in wrong:
        reply = await api.request("POST", "/media/uploads", content=content, headers=headers, token=token)
        assert (reply.status, reply.codes) == (status, ["BAD_USER_INPUT"]), content[:40]
    assert (await api.request("GET", "/media/uploads")).status == 404


async def test_media_are_described_reordered_and_removed(api: Api, shop: Shop) -> None:
    first, second = [{"uploadId": (await send(api, picture(width=width))).body["uploadId"]} for width in (40, 50)]
    video = {"url": "https://www.youtube.com/watch?v=x", "altText": "video"}
    made = await add(api, shop.mug_product, video, first | {"altText": "one"}, second | {"altText": "two"})
    video_id, one, two = (media["id"] for media in made["media"])

    described = await call(api, UPDATE, shop.mug_product, 3, media=[{"id": one, "altText": "ONE"}, {"id": two}])
    ordered = await call(api, REORDER, shop.mug_product, 4, mediaIds=[video_id, two, one])
    removed = await call(api, REMOVE, shop.mug_product, 5, mediaIds=[two])

    assert described == {"product": {"version": 4}, "media": [{"altText": "ONE"}, {"altText": "two"}], "userErrors": []}
    assert ordered == {
        "product": {"version": 5, "featuredMedia": {"altText": "two"}, "media": {"nodes": [{"altText": text} for text in ("video", "two", "ONE")]}},
        "userErrors": [],
    }  # fmt: skip
    assert removed["product"] == {"version": 6, "media": {"nodes": [{"altText": "video"}, {"altText": "ONE"}]}}


async def test_stale_and_wrong_changes_are_refused_and_change_nothing(api: Api, shop: Shop) -> None:
    upload = {"uploadId": (await send(api, picture())).body["uploadId"]}
    (mine,) = (await add(api, shop.mug_product, upload | {"altText": "mine"}))["media"]
    (other,) = (await add(api, shop.shirt_product, {"url": "https://cdn.test/a.mp4"}))["media"]
    unknown = of("media", uuid4())
    product = shop.mug_product

    refused = [
        await call(api, ADD, product, 2, media=[{"url": "https://cdn.test/a.png"}]),
        await call(api, REORDER, product, 2, mediaIds=[mine["id"]]),
        await call(api, ADD, product, 3, media=[{"url": "https://cdn.test/a.png"}, {}]),
        await call(api, ADD, product, 3, media=[{"url": "https://cdn.test/a.png", **upload}]),
        await call(api, ADD, product, 3, media=[{"url": "ftp://cdn.test/a.png"}]),
        await call(api, ADD, product, 3, media=[{"url": "https://user:secret@cdn.test/a.png"}]),
        await call(api, ADD, product, 3, media=[{"uploadId": "upload_nonsense"}]),
        await call(api, ADD, product, 3, media=[{"url": "https://cdn.test/a.png", "altText": "x" * 513}]),
        await call(api, UPDATE, product, 3, media=[{"id": other["id"], "altText": "stolen"}]),
        await call(api, REMOVE, product, 3, mediaIds=[mine["id"], unknown]),
        await call(api, REORDER, product, 3, mediaIds=[]),
        await call(api, REORDER, product, 3, mediaIds=[mine["id"], mine["id"]]),
        await call(api, REORDER, uuid4(), 3, mediaIds=[]),
    ]

    assert [(error["code"], error["field"]) for reply in refused for error in reply["userErrors"]] == [
        ("STALE_OBJECT", ["expectedVersion"]),
        ("STALE_OBJECT", ["expectedVersion"]),
        ("INVALID_INPUT", ["media", "1"]),
        ("INVALID_INPUT", ["media", "0"]),
        ("INVALID_INPUT", ["media", "0", "url"]),
        ("INVALID_INPUT", ["media", "0", "url"]),
        ("NOT_FOUND", ["media", "0", "uploadId"]),
        ("INVALID_INPUT", ["media", "0", "altText"]),
        ("NOT_FOUND", ["media", "0", "id"]),
        ("NOT_FOUND", ["mediaIds", "1"]),
        ("INVALID_INPUT", ["mediaIds"]),
        ("INVALID_INPUT", ["mediaIds"]),
        ("NOT_FOUND", ["productId"]),
    ]
    now = await call(api, REORDER, product, 3, mediaIds=[mine["id"]])
    assert now["product"] == {
        "version": 4,
        "featuredMedia": {"altText": "mine"},
        "media": {"nodes": [{"altText": "mine"}]},
    }


async def test_product_shows_at_most_so_many(api: Api, shop: Shop) -> None:
    videos = [{"url": f"https://cdn.test/{nth}.mp4"} for nth in range(gallery.MOST_MEDIA)]
    full = await add(api, shop.mug_product, *videos)
    more = await add(api, shop.mug_product, {"url": "https://cdn.test/more.mp4"}, version=3)

    assert full["userErrors"] == []
    assert [error["code"] for error in more["userErrors"]] == ["TOO_MANY_MEDIA"]


async def test_videos_are_linked_and_pictures_of_other_addresses_are_to_be_fetched(api: Api, shop: Shop) -> None:
    urls = {
        "https://youtu.be/x": ("EXTERNAL_VIDEO", "READY"),
        "https://player.vimeo.com/video/1": ("EXTERNAL_VIDEO", "READY"),
        "https://cdn.test/a.MP4?x=1": ("VIDEO", "READY"),
        "https://cdn.test/a.jpg": ("IMAGE", "PROCESSING"),
        "https://notyoutube.com/x": ("IMAGE", "PROCESSING"),
    }

    made = await add(api, shop.mug_product, *({"url": url} for url in urls))

    assert {media["url"]: (media["kind"], media["status"]) for media in made["media"]} == urls


async def test_variant_shows_its_own_picture(api: Api, shop: Shop) -> None:
    first, second = [{"uploadId": (await send(api, picture(width=width))).body["uploadId"]} for width in (40, 50)]
    made = await add(api, shop.mug_product, first, second, {"url": "https://cdn.test/a.mp4"})
    one, two, video = (media["id"] for media in made["media"])
    (foreign,) = (await add(api, shop.shirt_product, {"url": "https://cdn.test/b.png"}))["media"]
    document = "mutation ($input: ProductVariantsUpdateInput!) { productVariantsUpdate(input: $input) { variants { version image { id } } userErrors { code field } } }"
    token = await api.token(*STAFF)

    async def show(media_id: str | None, version: int) -> Any:
        variant = {"id": of("variant", shop.mug), "expectedVersion": version, "mediaId": media_id}
        given = {"productId": of("product", shop.mug_product), "variants": [variant]}
        return (await api.execute(document, {"input": given}, token=token)).data["productVariantsUpdate"]

    own = await show(two, 1)
    refused = [await show(media_id, 2) for media_id in (foreign["id"], of("media", uuid4()), video)]
    cleared = await show(None, 2)
    await show(two, 3)
    removed = await call(api, REMOVE, shop.mug_product, 3, mediaIds=[two])
    left = await api.execute("query ($id: ID!) { variant(id: $id) { image { id } } }", {"id": of("variant", shop.mug)})

    assert own["variants"] == [{"version": 2, "image": {"id": two}}]
    assert [error for reply in refused for error in reply["userErrors"]] == [
        {"code": "NOT_FOUND", "field": ["variants", "0", "mediaId"]},
        {"code": "NOT_FOUND", "field": ["variants", "0", "mediaId"]},
        {"code": "INVALID_INPUT", "field": ["variants", "0", "mediaId"]},
    ]
    assert cleared["variants"] == [{"version": 3, "image": {"id": one}}]
    assert removed["userErrors"] == []
    assert left.data == {"variant": {"image": {"id": one}}}


async def thumbnail(api: Api, shop: Shop, content: bytes, arguments: str) -> str:
    upload = {"uploadId": (await send(api, content)).body["uploadId"]}
    await add(api, shop.mug_product, upload)
    document = f"query ($id: ID!) {{ product(id: $id) {{ featuredMedia {{ url({arguments}) }} }} }}"
    reply = await api.execute(document, {"id": of("product", shop.mug_product)})
    return path_of(reply.data["product"]["featuredMedia"]["url"])


async def test_thumbnail_is_made_once_and_kept(api: Api, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await thumbnail(api, shop, photo(), "width: 300, format: WEBP")
    made: list[object] = []
    original = images.resized

    def counted(*args: Any, **given: Any) -> bytes:
        made.append(given)
        return original(*args, **given)

    monkeypatch.setattr(images, "resized", counted)

    answers = await asyncio.gather(*(api.client.get(path) for _ in range(5)))
    later = await api.client.get(path)
    known = await api.client.get(path, headers={"If-None-Match": later.headers["etag"]})

    assert len(made) == 1
    assert [answer.status_code for answer in answers] == [200] * 5
    shown = opened(later.content)
    assert (shown.format, shown.size) == ("WEBP", (300, 400))
    assert {answer.content for answer in answers} == {later.content}
    assert later.headers["content-type"] == "image/webp"
    assert later.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert later.headers["x-content-type-options"] == "nosniff"
    assert {answer.headers["etag"] for answer in answers} == {later.headers["etag"]}
    assert known.status_code == 304


async def test_nobody_has_us_make_sizes_that_we_did_not_name(api: Api, shop: Shop) -> None:
    path = await thumbnail(api, shop, photo(), "width: 30, height: 40, format: AVIF")
    before = await files_of(api)
    head, signature, name = path.rsplit("/", 2)
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    forged = [
        f"{head}/{signature}/31x40.avif",
        f"{head}/{signature}/30x40.webp",
        f"{head}/{signature}/030x40.avif",
        f"{head}/{signature}/\N{ARABIC-INDIC DIGIT THREE}0x40.avif",
        f"{head}/{flipped}/{name}",
        f"{head}/x/{name}",
        f"{head}/é/{name}",
        f"{head}/{name}",
        f"/media/thumbs/00/{'0' * 64}.jpg/{signature}/{name}",
    ]

    assert [(await api.client.get(url)).status_code for url in forged] == [404] * len(forged)
    assert await files_of(api) == before
    assert (await api.client.get(path)).status_code == 200
    kept = next(key for key in await files_of(api) if key not in before)
    assert (await api.client.get(f"/media/{kept}")).status_code == 404


async def test_size_that_nobody_needs_is_refused(api: Api, shop: Shop) -> None:
    upload = {"uploadId": (await send(api, picture())).body["uploadId"]}
    await add(api, shop.mug_product, upload)

    for arguments in ("width: 0", "height: -1", "width: 4097", "width: 10, height: 100000"):
        document = f"query ($id: ID!) {{ product(id: $id) {{ featuredMedia {{ altText url({arguments}) }} }} }}"
        reply = await api.execute(document, {"id": of("product", shop.mug_product)})
        assert reply.codes == ["BAD_USER_INPUT"], arguments


async def test_thumbnail_of_a_moving_picture_stands_still_in_its_own_size(api: Api, shop: Shop) -> None:
    path = await thumbnail(api, shop, film(), "width: 4000")

    shown = opened((await api.client.get(path)).content)

    assert (shown.format, shown.size, getattr(shown, "n_frames", 1)) == ("PNG", (40, 20), 1)


async def test_many_sizes_of_one_picture_do_not_fill_the_storage(
    api: Api, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "MOST_KEPT", 2)
    first = await thumbnail(api, shop, picture(), "width: 10")
    document = "query ($id: ID!, $width: Int) { product(id: $id) { featuredMedia { url(width: $width) } } }"

    sizes = []
    for width in (10, 11, 12, 13):
        reply = await api.execute(document, {"id": of("product", shop.mug_product), "width": width})
        path = path_of(reply.data["product"]["featuredMedia"]["url"])
        sizes.append(opened((await api.client.get(path)).content).width)

    assert first.endswith("10x0.png")
    assert sizes == [10, 11, 12, 13]
    assert len(await files_of(api)) == 1 + 2


async def test_upload_that_nobody_uses_goes_after_a_day(api: Api, shop: Shop, database: Database) -> None:
    storage = api.server.storage
    used = {"uploadId": (await send(api, picture(width=40))).body["uploadId"]}
    late = (await send(api, picture(width=50))).body["uploadId"]
    (media,) = (await add(api, shop.mug_product, used))["media"]
    _ = await api.client.get(path_of(media["url"]))

    async def sweep() -> tuple[int, int]:
        async with database.transaction() as session:
            forgotten = await uploads.forget_unused(session)
        return forgotten, await uploads.sweep(database, storage)

    now = clock.now()
    assert await sweep() == (0, 0)
    with time_machine.travel(now + timedelta(days=1, minutes=1), tick=False):
        assert await sweep() == (1, 0)
        assert len(await files_of(api)) == 2
        refused = await add(api, shop.mug_product, {"uploadId": late}, version=3)
        assert [error["code"] for error in refused["userErrors"]] == ["NOT_FOUND"]
    with time_machine.travel(now + timedelta(days=1, hours=2), tick=False):
        assert await sweep() == (0, 1)
        assert await sweep() == (0, 0)
    assert [path_of(media["url"])] == [f"/media/{key}" for key in await files_of(api)]
    again = await send(api, picture(width=50))
    assert again.status == 201
    assert len(await files_of(api)) == 2


async def test_removed_picture_goes_after_a_month_with_its_thumbnails(api: Api, shop: Shop, database: Database) -> None:
    path = await thumbnail(api, shop, picture(), "width: 10")
    assert (await api.client.get(path)).status_code == 200
    document = "query ($id: ID!) { product(id: $id) { media { nodes { id } } } }"
    reply = await api.execute(document, {"id": of("product", shop.mug_product)})
    (media,) = reply.data["product"]["media"]["nodes"]
    now = clock.now()
    with time_machine.travel(now + timedelta(days=40), tick=False):
        assert await uploads.sweep(database, api.server.storage) == 0
        await call(api, REMOVE, shop.mug_product, 3, mediaIds=[media["id"]])
        assert await uploads.sweep(database, api.server.storage) == 0
    with time_machine.travel(now + timedelta(days=71), tick=False):
        assert await uploads.sweep(database, api.server.storage) == 1

    assert await files_of(api) == []
    assert (await api.client.get(path)).status_code == 404


async def test_wrong_addresses_are_named() -> None:
    for url in (
        "",
        "cdn.test/a.png",
        "javascript:alert(1)",
        "https://",
        "https://[::1",
        "https://a b/c",
        "https://a/" + "x" * 3000,
    ):
        with pytest.raises(InvalidInput):
            kinds.checked_url(url)
    assert kinds.checked_url(" https://cdn.test/a.png ") == "https://cdn.test/a.png"
    assert ids.encode("upload", uuid4()).startswith("upload_")
