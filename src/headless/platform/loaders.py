"""How do many fields that each want one row become one statement?"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import CoroutineType
from typing import Any, TypeGuard, TypeVar

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
        self._known: dict[tuple[Hashable, ...], dict[Any, Any]] = {}

    def load(self, batch: Batch[K, V], key: K, *arguments: Hashable) -> V | Awaitable[V | None] | None:
        """The value at once if it is known, else loaded together with all keys that are asked for meanwhile."""
        name = (batch, *arguments)
        known = self._known.get(name)
        if known is not None and key in known:
            found: V | None = known[key]
            return found
        later: Awaitable[V | None] = self._loader(name, batch, arguments).load(key)
        return later

    async def fetch(self, batch: Batch[K, V], keys: Sequence[K], *arguments: Hashable) -> Mapping[K, V | None]:
        """Load many keys in one go, so that the fields that need them find them known."""
        known = self._known.setdefault((batch, *arguments), {})
        missing = [key for key in dict.fromkeys(keys) if key not in known]
        if missing:
            async with self._session() as session:
                found = await batch(session, missing, *arguments)
            known.update((key, found.get(key)) for key in missing)
        return known

    def prime(self, batch: Batch[K, V], key: K, value: V, *arguments: Hashable) -> None:
        """Remember a value that came along with another read or write."""
        self._known.setdefault((batch, *arguments), {})[key] = value

    def clear(self) -> None:
        """Forget everything: the database has changed."""
        self._loaders.clear()
        self._known.clear()

    def _loader(
        self, name: tuple[Hashable, ...], batch: Batch[K, V], arguments: tuple[Hashable, ...]
    ) -> DataLoader[Any, Any]:
        loader = self._loaders.get(name)
        if loader is None:

            async def load_many(keys: Sequence[K]) -> list[V | None]:
                known = await self.fetch(batch, keys, *arguments)
                return [known[key] for key in keys]

            loader = self._loaders[name] = DataLoader(load_many)
        return loader


def is_pending(value: object) -> TypeGuard[Awaitable[Any]]:
    """Whether a value still has to be awaited. Rows are told at once: asking them for `__await__` is slow."""
    return isinstance(value, CoroutineType | Future)


def then(value: Any, use: Callable[[Any], Any]) -> Any:
    """Go on with a value that is there or still has to come; a field whose value is known costs no task."""
    if not is_pending(value):
        return use(value)

    async def later() -> Any:
        used = use(await value)
        return await used if is_pending(used) else used

    return later()
