"""Who holds this token?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select

from headless.accounts.models import api_tokens
from headless.accounts.rules import Actor, Permission
from headless.platform import crypto
from headless.platform.columns import any_of
from headless.platform.db import Record, Session

KNOWN = frozenset(Permission)


async def actor_by_token(session: Session, token: str) -> Actor | None:
    """The actor of a valid token. The look-up is by hash, so its time tells nothing about the token."""
    c = api_tokens.c
    row = (
        await session.execute(
            select(c.id, c.name, c.permissions).where(c.digest == crypto.digest(token), c.revoked_at.is_(None))
        )
    ).first()
    return None if row is None else _actor(row)


async def actors_by_id(session: Session, token_ids: Sequence[UUID]) -> Mapping[UUID, Actor]:
    """The actors of those tokens that are still valid."""
    c = api_tokens.c
    wanted = select(c.id, c.name, c.permissions).where(any_of(c.id, token_ids), c.revoked_at.is_(None))
    return {row.id: _actor(row) for row in await session.execute(wanted)}


async def known_names(session: Session, names: Sequence[str]) -> frozenset[str]:
    """Which of these names valid tokens have."""
    c = api_tokens.c
    return frozenset(await session.scalars(select(c.name).where(any_of(c.name, names), c.revoked_at.is_(None))))


async def all_tokens(session: Session) -> Sequence[Record]:
    return (await session.execute(select(api_tokens).order_by(api_tokens.c.id))).all()


def _actor(row: Record) -> Actor:
    permissions = frozenset(Permission(name) for name in row.permissions if name in KNOWN)
    return Actor(token_id=row.id, name=row.name, permissions=permissions)
