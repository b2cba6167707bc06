"""How does a shop for development come up, with everything it needs?"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from headless.cli import running

if TYPE_CHECKING:
    from headless.platform.db import Database
    from headless.settings import Settings


def run() -> None:
    """Run a shop on this machine until told to end."""
    from pydantic import SecretStr
    from rich.console import Console

    settings = running.settings_from_environment(development=True)
    listener = running.listen(settings)
    running.make_data_dir(settings)
    known = settings.secret_key.get_secret_value()
    secret = known or _kept(settings.data_dir / "secret", lambda: secrets.token_hex(32))
    port = listener.getsockname()[1]
    settings = settings.model_copy(update={"port": port, "secret_key": SecretStr(secret)})
    console = Console(highlight=False, markup=False, soft_wrap=True)
    token = running.run(_prepare(settings, console.print), settings)
    base = settings.base_url
    console.print("\nheadless", style="bold")
    for name, value in (
        ("API", f"{base}/graphql"),
        ("Playground", f"{base}/graphql, in a browser"),
        ("Schema", f"{base}/graphql/schema.graphql"),
        ("Token", token),
        ("Database", running.shown(settings)),
        ("Media", settings.media_location),
    ):
        console.print(f"  {name:<11} {value}")
    console.print(
        f"\nThe token may do everything: send it as `Authorization: Bearer {token[:6]}…`. Ctrl-C ends the shop."
    )
    running.serve(settings, listener, with_worker=True)


async def _prepare(settings: Settings, say: Callable[[str], None]) -> str:
    """Make a development shop ready; answer a token that it knows."""
    from headless.merchandising import opening
    from headless.platform import schema

    state = await schema.state(settings.database)
    if state is schema.State.NEWER:
        raise running.Stop(running.NEWER)
    if state is not schema.State.CURRENT:
        say("Migrating the database")
        await schema.upgrade(settings.database)
    async with running.opened(settings) as database:
        await running.seed(database, settings, say, is_asked=False)
        await opening.open_default_shop(database)
        return await _dev_token(database, settings.data_dir / "token")


async def _dev_token(database: Database, path: Path) -> str:
    from headless.accounts import queries, service
    from headless.accounts.rules import Permission

    kept = path.read_text(encoding="utf-8").strip() if path.exists() else ""  # noqa: ASYNC240 - nothing else runs yet
    async with database.transaction() as session:
        if kept and await queries.actor_by_token(session, kept) is not None:
            return kept
        token = await service.create_token(session, name="Development", permissions=Permission)
    path.unlink(missing_ok=True)  # noqa: ASYNC240 - likewise
    return _kept(path, lambda: token)


def _kept(path: Path, make: Callable[[], str]) -> str:
    """Read a secret that only its owner may read, writing it first if need be."""
    try:
        with suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(f"{make()}\n")
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise running.Stop(f"{path} can't be used: {error.strerror}.") from None
    if not text:
        raise running.Stop(f"{path} is empty. Delete it and start again.")
    return text
