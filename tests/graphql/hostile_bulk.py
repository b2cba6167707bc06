"""What good inputs have the mutations of many products, and of bulk jobs?"""

from typing import Any

from headless.merchandising.jobs import service
from headless.merchandising.jobs.models import JobFormat
from headless.platform import ids
from headless.platform.db import Database
from tests.builders import Shop


async def inputs(database: Database, shop: Shop, *, variant: dict[str, Any], product: dict[str, Any]) -> dict[str, Any]:
    """Inputs by mutation, about records that are there, from good fields of a variant and of a product."""
    upload_id = ids.new()
    async with database.transaction() as session:
        await service.note_upload(session, upload_id, key="private/bulk/uploads/none", size=1, actor="tester")
        job_id = await service.start_export(
            session, file_format=JobFormat.CSV, channel_id=shop.channel_id, query=None, actor="tester"
        )
    shirt = ids.encode("product", shop.shirt_product)
    selected = [{"name": "Size", "value": "S#"}]
    measured = {"externalReference": "v#", "taxCode": "t", "weightGrams": 1}
    return {
        "productSet": {
            "identifier": {"handle": "set-#"}, **product, "variants": [{**variant, **measured, "selectedOptions": selected}],
        },
        "productsBulkUpdate": {
            "products": [{"id": shirt, "expectedVersion": 99, **product}], "errorPolicy": "REJECT_FAILED",
        },
        "productVariantsBulkCreate": {
            "productId": shirt, "variants": [{**variant, "selectedOptions": selected}], "errorPolicy": "REJECT_FAILED",
        },
        "bulkImportStart": {
            "uploadId": ids.encode("bulk_upload", upload_id), "format": "CSV", "dryRun": True, "stock": True,
            "idempotencyKey": "key#",
        },
        "bulkExportStart": {"format": "JSONL", "channel": "default", "query": "shirt", "idempotencyKey": "key#"},
        "bulkJobCancel": {"id": ids.encode("bulk_job", job_id)},
    }  # fmt: skip
