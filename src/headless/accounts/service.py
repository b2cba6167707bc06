"""How are API tokens made and withdrawn?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, update

from headless.accounts.models import api_tokens
from headless.accounts.rules import Permission
from headless.platform import clock, crypto, ids
from headless.platform.db import Session
from headless.platform.errors import InvalidInput, NotFound


async def create_token(
    session: Session, *, name: str, permissions: Iterable[Permission], expires_at: datetime | None = None
) -> str:
    """Make an API token, by default one that never expires; the answer is the only time its text is seen."""
    granted = sorted(set(permissions))
    if not name.strip() or not granted:
        message = "A token needs a name and at least one permission."
        raise InvalidInput(message)
    if expires_at is not None and expires_at <= clock.now():
        message = "A token expires in the future, or never."
        raise InvalidInput(message, field=("expiresAt",))
    token = crypto.new_token("hl")
    await session.execute(
        insert(api_tokens).values(
            id=ids.new(),
            name=name.strip(),
            digest=crypto.digest(token),
            permissions=granted,
            created_at=clock.now(),
            expires_at=expires_at,
        )
    )
    return token


async def revoke_token(session: Session, token_id: UUID) -> None:
    """Withdraw a token at once; raises `NotFound`."""
    c = api_tokens.c
    revoked = await session.execute(
        update(api_tokens)
        .where(c.id == token_id, c.revoked_at.is_(None))
        .values(revoked_at=clock.now())
        .returning(c.id)
    )
    if revoked.first() is None:
        raise NotFound
