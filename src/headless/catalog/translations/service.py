"""How do texts in other languages come about and go? Each change is a new version of the record that they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, tuple_, update

from headless.catalog import history
from headless.catalog.events import CollectionUpdated, ProductUpdated
from headless.catalog.models import collections, products
from headless.catalog.translations import queries, rules
from headless.catalog.translations.models import TRANSLATIONS
from headless.platform import clock, outbox
from headless.platform.columns import any_of
from headless.platform.db import Record, Session, insert_into
from headless.platform.errors import InvalidInput, NotFound
from headless.shop import queries as shop_queries
from headless.shop import rules as shop_rules
from headless.teamwork.rules import Change

MOST = 250
"""Translations of one call."""
MOST_OF_OWNER = 5_000
"""Translations that a record can be given at once."""

Texts = Mapping[tuple[str, str], str]
"""By language and key."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A text to be shown in a language."""

    locale: str
    key: str
    value: str


async def register(session: Session, owner_type: str, owner_id: UUID, wishes: Sequence[Wish], *, actor: str) -> None:
    """Translate texts of a product or collection; those that were translated before are replaced.

    Raises `NotFound` or `InvalidInput`.
    """
    if not 1 <= len(wishes) <= MOST:
        message = f"A call carries 1 to {MOST} translations."
        raise InvalidInput(message, field=("translations",))
    row = await _locked(session, owner_type, owner_id)
    rows = await _read(session, owner_type, row, wishes)
    before = await _present(session, owner_type, owner_id)
    changed = {
        place: values for place, values in rows.items() if place not in before or not _is_same(before[place], values)
    }
    if changed:
        await _write(session, owner_type, list(changed.values()))
        await _note_changes(session, owner_type, row, before, changed, gone=(), actor=actor)


async def replace(session: Session, owner_type: str, owner_id: UUID, wishes: Sequence[Wish], *, actor: str) -> bool:
    """Translate the texts that there are by exactly these; answer whether anything differed.

    A translation that is sent as it is stays as it is, outdated or not; those of texts that are gone stay, too.
    Raises `NotFound` or `InvalidInput`.
    """
    row = await _locked(session, owner_type, owner_id)
    before = await _present(session, owner_type, owner_id)
    same = {
        index: (shop_rules.normal_language(wish.locale), wish.key)
        for index, wish in enumerate(wishes)
        if _is_kept(before.get((shop_rules.normal_language(wish.locale), wish.key)), wish)
    }
    rows = await _read(session, owner_type, row, wishes, besides=same)
    changed = {
        place: values for place, values in rows.items() if place not in before or before[place].value != values["value"]
    }
    if len(changed) > MOST_OF_OWNER:
        message = f"A record is given at most {MOST_OF_OWNER:,} translations at once."
        raise InvalidInput(message, field=("translations",))
    sources = queries.texts_of(owner_type, row)
    named = {*rows, *same.values()}
    gone = [place for place in before if place not in named and place[1] in sources]
    if gone:
        c = TRANSLATIONS[owner_type].c
        await session.execute(
            delete(TRANSLATIONS[owner_type]).where(c.owner_id == owner_id, tuple_(c.locale, c.key).in_(gone))
        )
    if changed:
        await _write(session, owner_type, list(changed.values()))
    if changed or gone:
        await _note_changes(session, owner_type, row, before, changed, gone=gone, actor=actor)
    return bool(changed or gone)


async def _read(
    session: Session,
    owner_type: str,
    row: Record,
    wishes: Sequence[Wish],
    *,
    besides: Mapping[int, tuple[str, str]] = MappingProxyType({}),
) -> dict[tuple[str, str], dict[str, Any]]:
    """What is to be written by language and key; `besides`, by index, are wishes that need no more than to be there."""
    sources = queries.texts_of(owner_type, row)
    own = shop_rules.normal_language((await shop_queries.channel(session)).default_language)
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    seen: set[tuple[str, str]] = set()
    for index, wish in enumerate(wishes):
        place = besides.get(index) or (_locale(wish.locale, own, "translations", index, "locale"), wish.key)
        if index not in besides and wish.key not in sources:
            known = ", ".join(sorted(sources))
            message = f"There is no text {wish.key!r} here. Its texts: {known[:1000]}."
            raise InvalidInput(message, field=("translations", index, "key"))
        if place in seen:
            message = f"{wish.key!r} stands twice in {place[0]}."
            raise InvalidInput(message, field=("translations", index, "key"))
        seen.add(place)
        if index in besides:
            continue
        value, plain = rules.checked_value(wish.key, wish.value, "translations", index, "value")
        rows[place] = {
            "owner_id": row.id,
            "locale": place[0],
            "key": wish.key,
            "value": value,
            "plain": plain,
            "digest": rules.digest(sources[wish.key]),
        }
    return rows


async def _write(session: Session, owner_type: str, rows: Sequence[Mapping[str, Any]]) -> None:
    writing = insert_into(session, TRANSLATIONS[owner_type])
    written = ("value", "plain", "digest", "updated_at")
    writing = writing.on_conflict_do_update(
        index_elements=["owner_id", "locale", "key"], set_={name: writing.excluded[name] for name in written}
    )
    at = clock.now()
    await session.execute(writing, [{**values, "updated_at": at} for values in rows])


async def _note_changes(
    session: Session,
    owner_type: str,
    row: Record,
    before: Mapping[tuple[str, str], Record],
    changed: Mapping[tuple[str, str], Mapping[str, Any]],
    *,
    gone: Sequence[tuple[str, str]],
    actor: str,
) -> None:
    old = {place: before[place].value for place in (*changed, *gone) if place in before}
    new = {place: values["value"] for place, values in changed.items()}
    await _note(session, owner_type, row, old, new, actor=actor)


def _is_kept(found: Record | None, wish: Wish) -> bool:
    return found is not None and found.value == wish.value


async def remove(
    session: Session, owner_type: str, owner_id: UUID, *, keys: Sequence[str], locales: Sequence[str], actor: str
) -> Sequence[Record]:
    """Remove translations of these texts in these languages; answer what was removed. Raises `NotFound`."""
    row = await _locked(session, owner_type, owner_id)
    table = TRANSLATIONS[owner_type]
    c, wanted = table.c, [shop_rules.normal_language(locale) for locale in locales]
    gone = await session.execute(
        delete(table)
        .where(c.owner_id == owner_id, any_of(c.key, keys), any_of(c.locale, wanted))
        .returning(c.locale, c.key, c.value, c.updated_at)
    )
    removed = gone.all()
    if removed:
        old = {(one.locale, one.key): one.value for one in removed}
        await _note(session, owner_type, row, old, {}, actor=actor)
    return sorted(removed, key=lambda one: (one.locale, one.key))


async def _locked(session: Session, owner_type: str, owner_id: UUID) -> Record:
    table = products if owner_type == "product" else collections
    row = (await session.execute(select(table).where(table.c.id == owner_id).with_for_update())).first()
    if row is None:
        raise NotFound(field=("resourceId",))
    return row


async def _present(session: Session, owner_type: str, owner_id: UUID) -> Mapping[tuple[str, str], Record]:
    table = TRANSLATIONS[owner_type]
    found = await session.execute(select(table).where(table.c.owner_id == owner_id))
    return {(one.locale, one.key): one for one in found}


async def _note(session: Session, owner_type: str, row: Record, before: Texts, after: Texts, *, actor: str) -> None:
    """Make the owner's next version, whose history tells what became of the translations."""
    change = Change("translations", _shown(before), _shown(after))
    if owner_type == "product":
        await history.change_product(session, row, {}, actor=actor, beside=[change])
        outbox.record(session, ProductUpdated(row.id))
        return
    await session.execute(
        update(collections)
        .where(collections.c.id == row.id)
        .values(version=collections.c.version + 1, updated_at=clock.now(), changed_by=actor)
    )
    history.record_collection(session, row, {}, actor=actor, beside=[change])
    outbox.record(session, CollectionUpdated(row.id))


def _locale(locale: str, own: str, *path: str | int) -> str:
    try:
        checked = shop_rules.checked_language(locale)
    except InvalidInput as refusal:
        raise refusal.at(*path) from None
    if checked == own:
        message = f"The texts themselves are in {own}: change those."
        raise InvalidInput(message, field=path)
    return checked


def _is_same(found: Record, values: Mapping[str, Any]) -> bool:
    return all(getattr(found, name) == values[name] for name in ("value", "plain", "digest"))


def _shown(texts: Texts) -> dict[str, dict[str, str]]:
    shown: dict[str, dict[str, str]] = {}
    for (locale, key), value in sorted(texts.items()):
        shown.setdefault(locale, {})[key] = value
    return shown
