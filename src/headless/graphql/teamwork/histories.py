"""How is a record's history read in the API?"""

from typing import Any, cast
from uuid import UUID

from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.graphql.context import Info, sent
from headless.graphql.declare import field
from headless.graphql.pages import Connection, page
from headless.graphql.revisions import Revision, revision_of_row
from headless.platform.pages import Slice, window
from headless.teamwork import revisions


def history_of(record_type: str) -> Any:
    """The field `revisions` of a kind of record that the catalog owns."""

    async def read(
        self: Any,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[Revision] | None:
        """Who changed what of it, and when: the newest first."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        async with info.context.reading() as session:
            found = await revisions.page(session, record_type, UUID(str(self.id)), wanted)
        rows = [revision_of_row(row) for row in found.rows]
        shown = Slice(rows, found.cursors, has_next=found.has_next, has_previous=found.has_previous, count=found.count)
        return cast("Connection[Revision]", page(shown))

    return field(requires=Permission.READ_PRODUCTS)(read)
