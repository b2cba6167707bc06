"""How do a product's pictures and videos come about, change and go?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, update

from headless.catalog import history, kinds, queries, service, uploads, variants
from headless.catalog.errors import TooManyMedia
from headless.catalog.kinds import MediaKind, MediaStatus
from headless.catalog.models import media
from headless.catalog.models import uploads as upload_table
from headless.catalog.models import variants as variant_table
from headless.platform import clock, ids
from headless.platform.columns import any_of
from headless.platform.db import Record, Session
from headless.platform.errors import InvalidInput, NotFound
from headless.teamwork import revisions
from headless.teamwork.rules import Change

MOST_MEDIA: Final = 250
LONGEST_ALT: Final = 512
_NO_VIDEO: Final = "A variant shows a picture, not a video."


@dataclass(frozen=True, slots=True)
class MediaDraft:
    """What to show: an upload, or what lies at an address."""

    upload_id: UUID | None = None
    url: str | None = None
    alt_text: str = ""
    kind: MediaKind | None = None


@dataclass(frozen=True, slots=True)
class MediaWish:
    """What is to be shown: something that is shown already, by its id or address, or something new.

    An alternative text of None is as it was.
    """

    id: UUID | None = None
    upload_id: UUID | None = None
    url: str | None = None
    alt_text: str | None = None
    kind: MediaKind | None = None


@dataclass(frozen=True, slots=True)
class PictureName:
    """Which of a product's pictures is meant, by its id or its address."""

    id: UUID | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Addresses:
    """What addresses of pictures mean. Those below `media_url`, such as `https://shop.example/media/`, are the shop's.

    `fetches` says whether a worker gets the others; `links`, whether they are shown from there until they are here.
    """

    media_url: str = ""
    fetches: bool = False
    links: bool = False

    def are_of(self, row: Record, url: str) -> bool:
        """Whether something that is shown is what lies at an address."""
        address = url.strip()
        return not {address, address.removeprefix(self.media_url)}.isdisjoint((row.url, row.file))


async def add(
    session: Session,
    product_id: UUID,
    drafts: Sequence[MediaDraft],
    *,
    expected_version: int,
    fetches: bool,
    actor: str,
) -> list[UUID]:
    """Show more with a product, after what it shows; `fetches` says whether a worker gets pictures from addresses.

    Raises `NotFound`, `StaleObject`, `TooManyMedia` or `InvalidInput`.
    """
    shown = await _opened(session, product_id, expected_version)
    if len(shown) + len(drafts) > MOST_MEDIA:
        raise TooManyMedia(field=("media",))
    last = max((row.position for row in shown), default=0)
    addresses = Addresses(fetches=fetches)
    rows = [
        await _new_row(session, product_id, draft, index, position=last + index + 1, addresses=addresses)
        for index, draft in enumerate(drafts)
    ]
    if rows:
        await session.execute(insert(media), rows)
    await _closed(session, product_id, shown, expected_version, actor)
    return [UUID(str(row["id"])) for row in rows]


async def describe(
    session: Session, product_id: UUID, alt_texts: Mapping[UUID, str], *, expected_version: int, actor: str
) -> None:
    """Change alternative texts; raises `NotFound`, `StaleObject` or `InvalidInput`."""
    before = await _opened(session, product_id, expected_version)
    shown = {row.id for row in before}
    for index, (media_id, alt_text) in enumerate(alt_texts.items()):
        if media_id not in shown:
            raise NotFound(field=("media", index, "id"))
        text = _checked_alt(alt_text, index)
        await session.execute(update(media).where(media.c.id == media_id).values(alt_text=text))
    await _closed(session, product_id, before, expected_version, actor)


async def remove(
    session: Session, product_id: UUID, media_ids: Sequence[UUID], *, expected_version: int, actor: str
) -> None:
    """Show some no longer; a variant whose own picture goes shows the product's. Raises `NotFound`, `StaleObject`."""
    before = await _opened(session, product_id, expected_version)
    shown = {row.id: row for row in before}
    for index, media_id in enumerate(media_ids):
        if media_id not in shown:
            raise NotFound(field=("mediaIds", index))
    await _take_away(session, product_id, [shown[media_id] for media_id in dict.fromkeys(media_ids)], actor=actor)
    await _closed(session, product_id, before, expected_version, actor)


async def replace(
    session: Session, product_id: UUID, wishes: Sequence[MediaWish], *, addresses: Addresses, actor: str
) -> Change | None:
    """Show exactly these, in this order, with a product that the caller has locked; what is shown already stays.

    Answers what to tell of it in the product's next version, which the caller makes; None when nothing differs. Raises
    `NotFound`, `TooManyMedia` or `InvalidInput`.
    """
    before = (await queries.media_by_product(session, [product_id])).get(product_id, [])
    if len(wishes) > max(MOST_MEDIA, len(before)):
        raise TooManyMedia(field=("media",))
    known = _matched(before, wishes, addresses)
    texts = {
        index: row.alt_text if wishes[index].alt_text is None else str(wishes[index].alt_text)
        for index, row in known.items()
    }
    wanted = [(known[index].id, texts[index]) if index in known else None for index in range(len(wishes))]
    if wanted == [(row.id, row.alt_text) for row in before]:
        return None
    stay = {row.id for row in known.values()}
    await _take_away(session, product_id, [row for row in before if row.id not in stay], actor=actor)
    for index, row in known.items():
        text = texts[index] if texts[index] == row.alt_text else _checked_alt(texts[index], index)
        await session.execute(update(media).where(media.c.id == row.id).values(position=index + 1, alt_text=text))
    new = [
        await _new_row(
            session,
            product_id,
            MediaDraft(wish.upload_id, wish.url, wish.alt_text or "", wish.kind),
            index,
            position=index + 1,
            addresses=addresses,
        )
        for index, wish in enumerate(wishes)
        if index not in known
    ]
    if new:
        await session.execute(insert(media), new)
    after = (await queries.media_by_product(session, [product_id])).get(product_id, [])
    return history.media_change(before, after)


def _matched(before: Sequence[Record], wishes: Sequence[MediaWish], addresses: Addresses) -> dict[int, Record]:
    """What is shown already of what is wished, by the wish's index; each once."""
    left = {row.id: row for row in before}
    known: dict[int, Record] = {}
    for index, wish in enumerate(wishes):
        if wish.id is not None:
            if sum(value is not None for value in (wish.id, wish.upload_id, wish.url)) > 1:
                raise InvalidInput("Give one of id, uploadId and url.", field=("media", index))
            if wish.id not in left:
                raise NotFound(field=("media", index, "id"))
            known[index] = left.pop(wish.id)
    for index, wish in enumerate(wishes):
        if wish.url is None or wish.upload_id is not None:
            continue
        for row in left.values():
            if addresses.are_of(row, wish.url) and wish.kind in {None, row.kind}:
                known[index] = left.pop(row.id)
                break
    return known


async def reorder(
    session: Session, product_id: UUID, media_ids: Sequence[UUID], *, expected_version: int, actor: str
) -> None:
    """Show all of it in another order; raises `NotFound`, `StaleObject` or `InvalidInput`."""
    before = await _opened(session, product_id, expected_version)
    shown = {row.id for row in before}
    for index, media_id in enumerate(media_ids):
        if media_id not in shown:
            raise NotFound(field=("mediaIds", index))
    if len(media_ids) != len(shown) or len(set(media_ids)) != len(shown):
        message = f"Name each of the product's {len(shown)} media once, in the order to show them."
        raise InvalidInput(message, field=("mediaIds",))
    if media_ids:
        await session.execute(
            update(media).where(media.c.id == bindparam("media_id")).values(position=bindparam("place")),
            [{"media_id": media_id, "place": place} for place, media_id in enumerate(media_ids, start=1)],
        )
    await _closed(session, product_id, before, expected_version, actor)


async def check_pictures(session: Session, product_id: UUID, picture_ids: Mapping[int, UUID]) -> None:
    """Refuse what isn't a picture of the product, by the index of the variant that is to show it.

    The product is locked, so that none of them goes before the variants are written.
    """
    if not picture_ids:
        return
    await service.locked_product(session, product_id)
    known = {row.id: row for row in (await queries.media_by_product(session, [product_id])).get(product_id, [])}
    for index, picture_id in picture_ids.items():
        row = known.get(picture_id)
        if row is None:
            raise NotFound(field=("variants", index, "mediaId"))
        if row.kind != MediaKind.IMAGE:
            raise InvalidInput(_NO_VIDEO, field=("variants", index, "mediaId"))


async def named_pictures(
    session: Session, product_id: UUID, names: Mapping[int, PictureName], *, addresses: Addresses
) -> dict[int, UUID]:
    """Find pictures of a product that the caller has locked, by the index of the variant that is to show them.

    Raises `NotFound` or `InvalidInput`.
    """
    if not names:
        return {}
    shown = (await queries.media_by_product(session, [product_id])).get(product_id, [])
    found: dict[int, UUID] = {}
    for index, name in names.items():
        if (name.id is None) == (name.url is None):
            raise InvalidInput("Name the picture by its id or its url.", field=("variants", index, "media"))
        meant = [row for row in shown if row.id == name.id or (name.url and addresses.are_of(row, name.url))]
        if not meant:
            message = "The product doesn't show this picture. Name one of its media, or send it in `media`, too."
            raise NotFound(message, field=("variants", index, "media", "url" if name.id is None else "id"))
        pictures = [row.id for row in meant if row.kind == MediaKind.IMAGE]
        if not pictures:
            raise InvalidInput(_NO_VIDEO, field=("variants", index, "media"))
        found[index] = pictures[0]
    return found


async def show_first(session: Session, picture_ids: Mapping[UUID, UUID]) -> None:
    """Have variants that this transaction has made show pictures: they are still in their first version."""
    if picture_ids:
        await session.execute(
            update(variant_table)
            .where(variant_table.c.id == bindparam("variant_id"))
            .values(image_id=bindparam("picture_id")),
            [{"variant_id": variant_id, "picture_id": picture_id} for variant_id, picture_id in picture_ids.items()],
        )


async def _take_away(session: Session, product_id: UUID, rows: Sequence[Record], *, actor: str) -> None:
    """Show some no longer; a variant whose own picture goes shows the product's, and files are kept for now."""
    if not rows:
        return
    gone = {row.id for row in rows}
    known = (await queries.variants_by_product(session, [product_id])).get(product_id, [])
    bare = [(row.id, row.version, {"image_id": None}) for row in known if row.image_id in gone]
    if bare:
        await variants.update_variants(session, product_id, bare, actor=actor)
    await session.execute(delete(media).where(media.c.product_id == product_id, any_of(media.c.id, gone)))
    files = [row.file for row in rows if row.file]
    if files:
        await uploads.keep_for_now(session, files)


async def _opened(session: Session, product_id: UUID, expected_version: int) -> Sequence[Record]:
    """Lock the product, refuse to go on from another version than this, and answer what it shows."""
    try:
        current = await service.locked_product(session, product_id)
    except NotFound:
        raise NotFound(field=("productId",)) from None
    if current.version != expected_version:
        raise await revisions.stale(session, "product", current, expected_version)
    return (await queries.media_by_product(session, [product_id])).get(product_id, [])


async def _closed(
    session: Session, product_id: UUID, before: Sequence[Record], expected_version: int, actor: str
) -> None:
    """Count the product's version on, and record what became of what it showed."""
    after = (await queries.media_by_product(session, [product_id])).get(product_id, [])
    change = history.media_change(before, after)
    await service.update_product(
        session, product_id, expected_version=expected_version, changes={}, actor=actor, beside=[change]
    )


async def _new_row(
    session: Session, product_id: UUID, draft: MediaDraft, index: int, *, position: int, addresses: Addresses
) -> dict[str, Any]:
    return {
        "id": ids.new(),
        "product_id": product_id,
        "position": position,
        "alt_text": _checked_alt(draft.alt_text, index),
        "attempts": 0,
        "error": None,
        **await _source(session, draft, index, addresses),
    }


async def _source(session: Session, draft: MediaDraft, index: int, addresses: Addresses) -> dict[str, Any]:
    """The columns that tell what is shown."""
    if (draft.upload_id is None) == (draft.url is None):
        message = "Give either an uploadId or a url."
        raise InvalidInput(message, field=("media", index))
    if draft.upload_id is not None:
        return await _uploaded(session, draft, index)
    try:
        url = kinds.checked_url(draft.url or "")
    except InvalidInput as refusal:
        raise refusal.at("media", index, "url") from None
    kind = draft.kind or kinds.kind_of(url)
    is_fetched = kind is MediaKind.IMAGE and (addresses.fetches or addresses.links)
    return {
        "kind": kind,
        "status": MediaStatus.PROCESSING if is_fetched and not addresses.links else MediaStatus.READY,
        "url": url,
        "file": None,
        "mime_type": None,
        "width": None,
        "height": None,
        "fetch_at": clock.now() if is_fetched else None,
    }


async def _uploaded(session: Session, draft: MediaDraft, index: int) -> dict[str, Any]:
    if draft.kind not in {None, MediaKind.IMAGE}:
        message = "Uploads are pictures; show a video by its url."
        raise InvalidInput(message, field=("media", index, "kind"))
    # Deleted rather than read: of two who use it at once one gets it.
    c = upload_table.c
    taken = await session.execute(delete(upload_table).where(c.id == draft.upload_id).returning(upload_table))
    upload = taken.first()
    if upload is None:
        raise NotFound(
            "This upload doesn't exist, was used already or waited for more than a day. Send the file again.",
            field=("media", index, "uploadId"),
        )
    return {
        "kind": MediaKind.IMAGE,
        "status": MediaStatus.READY,
        "url": upload.key,
        "file": upload.key,
        "mime_type": upload.mime_type,
        "width": upload.width,
        "height": upload.height,
        "fetch_at": None,
    }


def _checked_alt(text: str, index: int) -> str:
    if len(text) > LONGEST_ALT:
        message = f"An alternative text has at most {LONGEST_ALT} characters."
        raise InvalidInput(message, field=("media", index, "altText"))
    return text
