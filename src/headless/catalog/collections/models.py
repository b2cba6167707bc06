"""Which table holds what is still to be done so that collections hold what their rules say?"""

from __future__ import annotations

from uuid import UUID

from sqlmodel import Field, SQLModel

from headless.platform import columns


class CollectionRebuild(SQLModel, table=True):
    """A collection whose products are all to be looked at again; those up to `after` have been.

    Whoever wants it from the start raises `generation`, so that a part done meanwhile doesn't count.
    """

    __tablename__ = "collection_rebuild"

    collection_id: UUID = Field(primary_key=True, foreign_key="collection.id", ondelete="CASCADE")
    generation: int = 1
    after: UUID | None = None


rebuilds = columns.table_of(CollectionRebuild)
