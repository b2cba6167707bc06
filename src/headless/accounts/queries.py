"""Who holds this token?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select

from headless.accounts.models import api_tokens
from headless.accounts.rules import Actor, Permission
from headless.platform import clock, crypto
from headless.platform.columns import any_of
from headless.platform.db import Record, Session

KNOWN = frozenset(Permission)
_ACTORS = select(api_tokens.c.id, api_tokens.c.name, api_tokens.c.permissions, api_tokens.c.expires_at)


async def actor_by_token(session: Session, token: str) -> Actor | None:
    """The actor of a valid token. The look-up is by hash, so its time tells nothing about the token."""
    row = (await session.execute(_ACTORS.where(api_tokens.c.digest == crypto.digest(token), _is_valid()))).first()
    return None if row is None else _actor(row)


async def actors_by_id(session: Session, token_ids: Sequence[UUID]) -> Mapping[UUID, Actor]:
    """The actors of those tokens that are still valid."""
    wanted = _ACTORS.where(any_of(api_tokens.c.id, token_ids), _is_valid())
    return {row.id: _actor(row) for row in await session.execute(wanted)}


async def known_names(session: Session, names: Sequence[str]) -> frozenset[str]:
    """Which of these names valid tokens have."""
    c = api_tokens.c
    return frozenset(await session.scalars(select(c.name).where(any_of(c.name, names), _is_valid())))


async def all_tokens(session: Session) -> Sequence[Record]:
    return (await session.execute(select(api_tokens).order_by(api_tokens.c.id))).all()


def _actor(row: Record) -> Actor:
    permissions = frozenset(Permission(name) for name in row.permissions if name in KNOWN)
    return Actor(token_id=row.id, name=row.name, permissions=permissions, expires_at=row.expires_at)


def _is_valid() -> ColumnElement[bool]:
    c = api_tokens.c
    return and_(c.revoked_at.is_(None), or_(c.expires_at.is_(None), c.expires_at > clock.now()))
