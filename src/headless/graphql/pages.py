"""How do lists look in the API? As Relay's Cursor Connections."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import strawberry
from graphql import FieldNode, FragmentSpreadNode

from headless.graphql.context import Info
from headless.graphql.declare import field
from headless.platform.pages import Slice, Window, slice_of

T = TypeVar("T")


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type(description="A row of a list with its cursor.")
class Edge(Generic[T]):
    cursor: str
    node: T


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    slice: strawberry.Private[Slice]

    @field
    def edges(self) -> list[Edge[T]]:
        return [Edge(cursor=cursor, node=row) for cursor, row in zip(self.slice.cursors, self.slice.rows, strict=True)]

    @field
    def nodes(self) -> list[T]:
        return list(self.slice.rows)

    @field
    def page_info(self) -> PageInfo:
        cursors = self.slice.cursors
        return PageInfo(
            has_next_page=self.slice.has_next,
            has_previous_page=self.slice.has_previous,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )

    @field
    async def total_count(self, info: Info) -> int:
        """How many rows the whole list has; counted only when asked for."""
        async with info.context.reading() as session:
            return int(await self.slice.count(session))


def page(found: Slice) -> Any:
    """A connection over rows that were read."""
    return Connection(slice=found)


def in_memory(rows: Sequence[Any] | None, wanted: Window) -> Any:
    """A connection over a part of rows that were read whole."""
    return page(slice_of(rows or (), key=lambda row: row.id, window=wanted))


def selected_names(info: Any) -> frozenset[str]:
    """The names of all fields selected anywhere below the present one: enough to know what is worth reading ahead."""
    nodes = getattr(info, "field_nodes", None) or info._raw_info.field_nodes  # noqa: SLF001 - strawberry's own is slow
    fragments = getattr(info, "fragments", None) or info._raw_info.fragments  # noqa: SLF001
    names: set[str] = set()
    visited: set[str] = set()
    pending = [node.selection_set for node in nodes]
    while pending:
        selected = pending.pop()
        for node in selected.selections if selected else ():
            if isinstance(node, FieldNode):
                names.add(node.name.value)
            if isinstance(node, FragmentSpreadNode):
                if node.name.value not in visited:
                    visited.add(node.name.value)
                    pending.append(fragments[node.name.value].selection_set)
            else:
                pending.append(node.selection_set)
    return frozenset(names)
