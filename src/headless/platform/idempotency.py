"""Was this request carried out before? As in the IETF draft "The Idempotency-Key HTTP Header Field"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import CheckConstraint, Column, bindparam, delete, select, tuple_, update
from sqlmodel import Field, SQLModel

from headless.platform import clock, columns, ids
from headless.platform.db import Database, Session, insert_into
from headless.platform.errors import (
    Fault,
    IdempotencyConcurrentRequest,
    IdempotencyKeyParameterMismatch,
    IdempotencyKeyRequired,
    InvalidInput,
)

KEPT = timedelta(hours=72)
LEASE = timedelta(seconds=10)
"""How long a running request keeps its key; a crashed one's key can be taken over after that."""
MAX_LENGTH = 255
BATCH = 1000
"""Keys forgotten in one transaction: nobody waits long for it."""


class IdempotencyKey(SQLModel, table=True):
    """A key that a caller used. `result` refers to what the request made; null while it runs."""

    __tablename__ = "idempotency_key"
    __table_args__ = (CheckConstraint("length(key) BETWEEN 1 AND 255", name="key_length"),)

    scope: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    fingerprint: str
    run: UUID
    result: dict[str, Any] | None = Field(default=None, sa_column=Column(columns.Json))
    leased_until: datetime = Field(sa_type=columns.UtcDateTime)
    created_at: datetime = Field(sa_type=columns.UtcDateTime, index=True)


idempotency_keys = columns.table_of(IdempotencyKey)


@dataclass(frozen=True, slots=True)
class Claim:
    """A caller's wish to run an operation once. `key` None: the caller doesn't ask for it."""

    scope: str
    key: str | None
    fingerprint: str
    run: UUID

    @property
    def is_wanted(self) -> bool:
        return self.key is not None


def claim(scope: str, key: str | None, operation: str, arguments: Mapping[str, object], *, required: bool) -> Claim:
    """Describe a request; raises `IdempotencyKeyRequired` or `InvalidInput`."""
    if key is None and required:
        raise IdempotencyKeyRequired(field=("idempotencyKey",))
    if key is not None and not 1 <= len(key) <= MAX_LENGTH:
        message = f"An idempotencyKey has 1 to {MAX_LENGTH} characters."
        raise InvalidInput(message, field=("idempotencyKey",))
    canonical = orjson.dumps([operation, arguments], option=orjson.OPT_SORT_KEYS, default=str)
    return Claim(scope, key, sha256(canonical).hexdigest(), ids.new())


async def begin(session: Session, claim: Claim) -> dict[str, Any] | None:
    """Take the key, or answer the reference to the result of the request that had it before.

    Raises `IdempotencyKeyParameterMismatch` when that one had other arguments and
    `IdempotencyConcurrentRequest` when it still runs. A crashed request's key is taken over after its lease.
    """
    if claim.key is None:
        return None
    c, at = idempotency_keys.c, clock.now()
    take = insert_into(session, idempotency_keys).values(_row(claim)).on_conflict_do_nothing().returning(c.key)
    if (await session.execute(take)).first() is not None:
        return None
    earlier = (
        await session.execute(
            select(c.fingerprint, c.run, c.result, c.leased_until, c.created_at)
            .where(c.scope == claim.scope, c.key == claim.key)
            .with_for_update()
        )
    ).first()
    if earlier is None or earlier.created_at < at - KEPT:
        # Freed or forgotten meanwhile: of several that wait for that, one takes it, and nobody takes it from him.
        await session.execute(
            delete(idempotency_keys).where(c.scope == claim.scope, c.key == claim.key, c.created_at < at - KEPT)
        )
        if (await session.execute(take)).first() is None:
            raise IdempotencyConcurrentRequest(field=("idempotencyKey",))
        return None
    if earlier.fingerprint != claim.fingerprint:
        raise IdempotencyKeyParameterMismatch(field=("idempotencyKey",))
    if earlier.result is not None:
        return dict(earlier.result)
    if earlier.leased_until > at and earlier.run != claim.run:
        raise IdempotencyConcurrentRequest(field=("idempotencyKey",))
    await session.execute(
        update(idempotency_keys)
        .where(c.scope == claim.scope, c.key == claim.key)
        .values(run=claim.run, leased_until=at + LEASE)
    )
    return None


async def take_all(session: Session, claims: Sequence[Claim]) -> set[UUID]:
    """Take those of several keys that were never used; answer their runs."""
    rows = sorted((_row(claim) for claim in claims if claim.is_wanted), key=lambda row: (row["scope"], row["key"]))
    if not rows:
        return set()
    take = insert_into(session, idempotency_keys).on_conflict_do_nothing().returning(idempotency_keys.c.run)
    return set((await session.execute(take, rows)).scalars())


def _row(claim: Claim) -> dict[str, Any]:
    at = clock.now()
    return {
        "scope": claim.scope,
        "key": claim.key,
        "fingerprint": claim.fingerprint,
        "run": claim.run,
        "leased_until": at + LEASE,
        "created_at": at,
    }


async def check(session: Session, claim: Claim) -> None:
    """Raise `IdempotencyKeyParameterMismatch` when the key was used before with other arguments."""
    c = idempotency_keys.c
    used = await session.scalar(select(c.fingerprint).where(c.scope == claim.scope, c.key == claim.key))
    if used is not None and used != claim.fingerprint:
        raise IdempotencyKeyParameterMismatch(field=("idempotencyKey",))


async def finish(session: Session, claim: Claim, result: dict[str, Any]) -> None:
    """Keep what the request made, by reference, for whoever repeats it."""
    c = idempotency_keys.c
    if claim.is_wanted:
        await session.execute(
            update(idempotency_keys).where(c.scope == claim.scope, c.key == claim.key).values(result=result)
        )


async def release(session: Session, claim: Claim) -> None:
    """Free the key: the request ended in nothing that must not happen again."""
    c = idempotency_keys.c
    if claim.is_wanted:
        await session.execute(
            delete(idempotency_keys).where(
                c.scope == claim.scope, c.key == claim.key, c.run == claim.run, c.result.is_(None)
            )
        )


async def release_all(session: Session, claims: Sequence[Claim]) -> None:
    """Free several keys that were taken in this transaction."""
    c = idempotency_keys.c
    taken = [{"of_scope": claim.scope, "of_key": claim.key, "of_run": claim.run} for claim in claims if claim.is_wanted]
    if taken:
        connection = await session.connection()
        await connection.execute(
            delete(idempotency_keys).where(
                c.scope == bindparam("of_scope"), c.key == bindparam("of_key"), c.run == bindparam("of_run")
            ),
            taken,
        )


async def give_up(database: Database, claim: Claim) -> None:
    """Free the key of a request that failed between its transactions; if the database can't, the lease does."""
    if claim.is_wanted:
        with suppress(Fault):
            async with database.transaction() as session:
                await release(session, claim)


async def sweep(session: Session) -> int:
    """Forget keys past their time, up to `BATCH` at once; answer how many."""
    c = idempotency_keys.c
    old = select(c.scope, c.key).where(c.created_at < clock.now() - KEPT).order_by(c.created_at).limit(BATCH)
    # Locked and skipped, so that several workers share the work instead of waiting for each other; apart, so that it is
    # carried out once and the limit holds.
    mine = old.with_for_update(skip_locked=True).cte("mine")
    is_mine = tuple_(c.scope, c.key).in_(select(mine.c.scope, mine.c.key))
    gone = await session.execute(delete(idempotency_keys).where(is_mine).returning(c.key))
    return len(gone.all())
