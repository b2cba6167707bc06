"""Does a picture get from a camera to a shopper's telephone, and what can't be fetched back to who asked for it?"""

import asyncio
import time

import httpx2

from tests.journeys.conftest import Staff
from tests.pictures import SECRET, opened, photo
from tests.serving import Client, Served

PATIENCE_SECONDS = 30
MEDIA = "id status error url"
SHOWN = "query ($id: ID!) { product(id: $id) { media { nodes { status url(width: 120, format: WEBP) } } } }"


async def test_photo_reaches_shoppers_and_a_private_address_reaches_nobody(
    served: tuple[Served, str], staff: Staff, guest: Client
) -> None:
    shop, token = served
    (url,) = shop.urls
    offered = await staff.offer("Vase")
    found = await staff.client.execute("query ($id: ID!) { product(id: $id) { version } }", {"id": offered.product})
    version = found["product"]["version"]

    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=30) as http:
        files = {"file": ("IMG_1.JPG", photo(), "image/jpeg")}
        refused = await http.post("/media/uploads", files=files)
        sent = await http.post("/media/uploads", files=files, headers={"Authorization": f"Bearer {token}"})
        assert (refused.status_code, sent.status_code) == (401, 201)
        added = await staff.do(
            "productMediaAdd",
            f"media {{ {MEDIA} }}",
            productId=offered.product,
            expectedVersion=version,
            media=[{"uploadId": sent.json()["uploadId"], "altText": "A vase"}, {"url": "https://127.0.0.1/a.png"}],
        )
        assert [media["status"] for media in added["media"]] == ["READY", "PROCESSING"]

        document = f"query ($id: ID!) {{ product(id: $id) {{ media {{ nodes {{ {MEDIA} }} }} }} }}"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = await staff.client.execute(document, {"id": offered.product})
            last = answer["product"]["media"]["nodes"][1]
            if last["status"] != "PROCESSING" or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.2)
        assert (last["status"], last["error"]) == ("FAILED", "The address doesn't lead to a public server.")

        for_all = (await guest.execute(SHOWN, {"id": offered.product}))["product"]["media"]["nodes"]
        assert [media["status"] for media in for_all] == ["READY"]
        whole = await http.get(added["media"][0]["url"])
        small = await http.get(for_all[0]["url"])

    assert SECRET not in whole.content
    assert (opened(whole.content).size, opened(small.content).size) == ((600, 800), (120, 160))
    assert small.headers["content-type"] == "image/webp"
    hidden = await guest.execute("query ($id: ID!) { node(id: $id) { __typename } }", {"id": last["id"]})
    assert hidden.error_codes == ["NOT_FOUND"]
