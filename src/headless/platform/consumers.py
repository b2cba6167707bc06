"""How does the background process follow the log of facts, so that none is missed and none is lost with it?"""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from headless.platform import columns


class Consumer(SQLModel, table=True):
    """How far one reader of the log has come. Whoever locks the row reads on."""

    __tablename__ = "consumer"

    name: str = Field(primary_key=True)
    position: int = Field(sa_type=columns.Sequence)
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)


consumers = columns.table_of(Consumer)
