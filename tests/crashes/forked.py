"""How does a whole server start in a fraction of a second? It is forked from a process that has imported everything."""

import ctypes
import multiprocessing
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import uvicorn

from headless.app import create_app, server_of, uvicorn_config
from headless.cli import running
from headless.payments.service import Providers
from headless.platform.db import Database
from tests.payments.fault_provider import NAME, FaultProvider

LATENCY_SECONDS = 0.005
PR_SET_PDEATHSIG = 1
KILLED = 9

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(["tests.crashes.forked", "headless.worker", "aiosqlite", "asyncpg", "uvloop"])


def fork(environment: Mapping[str, str], *, log: Path, ledger: Path) -> ForkServerProcess:
    """Start a server with the worker inside that takes payments through the provider of the tests."""
    process = _forking.Process(target=_serve, args=(dict(environment), log, ledger), daemon=True)
    process.start()
    return process


def _serve(environment: Mapping[str, str], log: Path, ledger: Path) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, KILLED)
    with log.open("ab") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    for name in [name for name in os.environ if name.startswith("HEADLESS_")]:
        del os.environ[name]
    os.environ.update(environment)
    settings = running.settings_from_environment()
    listener = running.listen(settings)
    server = server_of(settings, Database(settings.database, pool_size=settings.database_pool_size))
    providers = Providers(
        {NAME: FaultProvider(ledger, latency=LATENCY_SECONDS)}, timeout_seconds=settings.provider_timeout_seconds
    )
    app = create_app(settings, with_worker=True, server=replace(server, providers=providers))
    uvicorn.Server(uvicorn_config(app, settings)).run(sockets=[listener])
