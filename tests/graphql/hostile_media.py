"""What good inputs have the mutations of pictures and videos?"""

from typing import Any

from headless.catalog import service as catalog
from headless.catalog.service import ImageDraft
from headless.platform import ids
from headless.platform.db import Database
from tests.builders import Shop


async def inputs(database: Database, shop: Shop) -> dict[str, Any]:
    """Inputs by mutation, about a product that shows a video."""
    video = ImageDraft("https://cdn.test/a.mp4", alt_text="")
    async with database.transaction() as session:
        await catalog.replace_media(session, shop.mug_product, [video])
    media_id = ids.encode("media", video.id)
    seen = {"productId": ids.encode("product", shop.mug_product), "expectedVersion": "product#"}
    return {
        "productMediaAdd": {**seen, "media": [{"url": "https://cdn.test/b.png", "altText": "b", "kind": "IMAGE"}]},
        "productMediaUpdate": {**seen, "media": [{"id": media_id, "altText": "a"}]},
        "productMediaRemove": {**seen, "mediaIds": [media_id]},
        "productMediaReorder": {**seen, "mediaIds": [media_id]},
    }
