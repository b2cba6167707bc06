"""Which table holds the API tokens?"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from headless.platform import columns


class ApiToken(SQLModel, table=True):
    """A bearer token of an integration; only its SHA-256 is kept. Without `expires_at` it is valid until revoked."""

    __tablename__ = "api_token"

    id: UUID = Field(primary_key=True)
    name: str
    digest: bytes = Field(unique=True)
    permissions: list[str] = Field(sa_column=Column(columns.Json, nullable=False))
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)


api_tokens = columns.table_of(ApiToken)
