"""How does a product become again what it was? By a new version, with the fields of an earlier one."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from headless.catalog import history
from headless.catalog import service as catalog
from headless.catalog.categories.models import categories
from headless.catalog.errors import OptionsInUse
from headless.merchandising import service
from headless.platform.db import Session
from headless.platform.errors import InvalidInput, NotFound, Refused, Taken
from headless.teamwork import revisions


async def revert_product(
    session: Session, product_id: UUID, *, expected_version: int, to_version: int, actor: str
) -> None:
    """Give a product's own fields the values that they had in an earlier version.

    So do the order and the alt texts of pictures that are still there. Variants, prices, stock, metafields,
    translations and publication stay.

    Raises `NotFound`, `StaleObject`, `VersionUnknown`, `InvalidInput`, `Taken`, `OptionsInUse` or
    `Refused` with what the checklist misses in what would come before shoppers again.
    """
    current = await catalog.locked_product(session, product_id)
    if current.version != expected_version:
        raise await revisions.stale(session, "product", current, expected_version)
    if to_version == expected_version:
        message = "The product has this version already: name an earlier one."
        raise InvalidInput(message, field=("toVersion",))
    values = await revisions.values_at(session, "product", current, to_version)
    beside = [await history.restore_media(session, product_id, values["media"])] if "media" in values else []
    changes = history.restored(values)
    await _check_category(session, changes.get("category_id"))
    try:
        await service.update_product(
            session, product_id, expected_version=expected_version, changes=changes, actor=actor, beside=beside
        )
    except Taken as refusal:
        name = (refusal.field or ("handle",))[0]
        message = f"Another product has the {name} of version {to_version} now. Change that one first."
        raise Taken(message, field=("toVersion",)) from None
    except InvalidInput as refusal:
        if refusal.field != ("options",):
            raise
        raise OptionsInUse(field=("toVersion",)) from None
    except Refused as refused:
        raise Refused([refusal.at("toVersion") for refusal in refused.refusals]) from None


async def _check_category(session: Session, category_id: object) -> None:
    # Its lock keeps whoever deletes it waiting for this product.
    wanted = select(categories.c.id).where(categories.c.id == category_id).with_for_update(read=True, key_share=True)
    if category_id is not None and (await session.execute(wanted)).first() is None:
        message = "The category that the product was in is gone. Put it into another one instead."
        raise NotFound(message, field=("toVersion",))
