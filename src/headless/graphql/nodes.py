"""How is any object found by its id alone? As in Relay's Global Object Identification."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import strawberry

from headless.graphql.context import Info
from headless.graphql.declare import PUBLIC, query
from headless.platform import ids, pages
from headless.platform.errors import BadUserInput, NotFound


class Found:
    """A row together with the name of its GraphQL type."""

    __slots__ = ("row", "type_name")

    def __init__(self, row: Any, type_name: str) -> None:
        self.row = row
        self.type_name = type_name

    def __getattr__(self, name: str) -> Any:
        return getattr(self.row, name)


@strawberry.interface(description="Anything with an id of its own.")
class Node:
    id: strawberry.ID

    @classmethod
    def resolve_type(cls, found: Found, *_info: object) -> str:
        return found.type_name


Finder = Callable[[Info, UUID], Awaitable[Any]]
FINDERS: dict[str, tuple[str, Finder]] = {}
"""By id prefix: the type's name, and how its typed query finds one, null when the caller may not see it."""


def finds(prefix: str, type_name: str) -> Callable[[Finder], Finder]:
    """Say how objects with an id prefix are found."""

    def register(finder: Finder) -> Finder:
        FINDERS[prefix] = (type_name, finder)
        return finder

    return register


async def find(info: Info, node_id: str) -> Any:
    """The object of an id; raises `NotFound` for whatever the caller may not see."""
    prefix, value = ids.split(node_id)
    if prefix not in FINDERS:
        raise NotFound
    type_name, finder = FINDERS[prefix]
    row = await finder(info, value)
    if row is None:
        raise NotFound
    return Found(row, type_name)


async def _visible(info: Info, node_id: str) -> Any:
    try:
        return await find(info, node_id)
    except NotFound:
        return None


@strawberry.type
class NodeQueries:
    @query(requires=PUBLIC)
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        """Any object by its id, by the same rules of access as its typed query."""
        found: Node = await find(info, id)
        return found

    @query(requires=PUBLIC)
    async def nodes(self, info: Info, ids: list[strawberry.ID]) -> list[Node | None]:
        """Several objects by their ids, in that order; null for those that the caller may not see."""
        if len(ids) > pages.MAXIMUM:
            message = f"At most {pages.MAXIMUM} ids at once."
            raise BadUserInput(message)
        found: list[Node | None] = await asyncio.gather(*(_visible(info, node_id) for node_id in ids))
        return found
