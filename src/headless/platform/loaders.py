"""How do many fields that each want one row become one statement?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from aiodataloader import DataLoader

from headless.platform.db import Session

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Batch = Callable[..., Awaitable[Mapping[K, V]]]
"""`(session, keys, *arguments)` to a mapping; a key without an entry loads None."""


class Loaders:
    """The loaders of one operation, asked for by their batch function."""

    def __init__(self, session: Callable[[], AbstractAsyncContextManager[Session]]) -> None:
        self._session = session
        self._loaders: dict[tuple[Hashable, ...], DataLoader[Any, Any]] = {}

    async def load(self, batch: Batch[K, V], key: K, *arguments: Hashable) -> V | None:
        """Load one key through the batch function, together with all keys asked for meanwhile."""
        found: V | None = await self._loader(batch, arguments).load(key)
        return found

    def prime(self, batch: Batch[K, V], key: K, value: V, *arguments: Hashable) -> None:
        """Remember a value that came along with another read."""
        self._loader(batch, arguments).prime(key, value)

    def clear(self) -> None:
        """Forget everything: the database has changed."""
        self._loaders.clear()

    def _loader(self, batch: Batch[K, V], arguments: tuple[Hashable, ...]) -> DataLoader[Any, Any]:
        name = (batch, *arguments)
        loader = self._loaders.get(name)
        if loader is None:

            async def load_many(keys: Sequence[K]) -> list[V | None]:
                async with self._session() as session:
                    found = await batch(session, keys, *arguments)
                return [found.get(key) for key in keys]

            loader = self._loaders[name] = DataLoader(load_many)
        return loader
