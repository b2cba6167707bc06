"""Why is a statement compiled once, and not once per test? The databases of all tests share what was compiled.

A process has one database and compiles a statement once; a session of tests has thousands of them.
"""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from headless.platform import db


@contextmanager
def shared() -> Iterator[None]:
    """Have databases of one kind use one dialect, for which statements are compiled, and one memory of them."""
    dialects: dict[str, Dialect] = {}
    compiled: MutableMapping[Any, Any] = {}

    def create(*wanted: Any, **given: Any) -> AsyncEngine:
        engine = create_async_engine(*wanted, **given, execution_options={"compiled_cache": compiled}).sync_engine
        if engine.dialect.name in dialects:
            engine.dialect = dialects[engine.dialect.name]
        else:

            @event.listens_for(engine, "connect", once=True)
            def connected(*_connection: object) -> None:  # now it has asked its server for all that it wants to know
                dialects.setdefault(engine.dialect.name, engine.dialect)

        return AsyncEngine(engine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(db, "create_async_engine", create)
        yield
