"""Which servers and programs does this test session have, and what was left untested for want of one?

Load it with `pytest_plugins`. One set of servers serves the whole session: the controller of pytest-xdist starts it and
the workers find the addresses in their environment. With `HEADLESS_REQUIRE_ALL=1` a session that lacked a part fails.
PYTEST_DONT_REWRITE: test files import this module too, often before pytest would rewrite its assertions.
"""

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Final, Literal, NoReturn

import pytest

from tests import servers

Part = Literal["PostgreSQL", "Redis", "Chromium", "npm"]

MISSING: Final = "missing: "
POSTGRES_URL: Final = "HEADLESS_TEST_POSTGRES_URL"
REDIS_URL: Final = "HEADLESS_TEST_REDIS_URL"
WHY_NOT: Final = "_WHY_NOT"
REQUIRE_ALL: Final = "HEADLESS_REQUIRE_ALL"
CHROMIUM_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CLIENTS: Final = Path(__file__).parent / "clients"
STOREFRONT: Final = Path(__file__).parent.parent / "examples/storefront"
PLAYGROUND: Final = Path(__file__).parent.parent / "src/headless/graphql/static/playground/index.html"


def needs_postgres() -> str:
    """Return the URL of a PostgreSQL in which databases may be created, or skip the test."""
    return os.environ.get(POSTGRES_URL) or skip_without("PostgreSQL", _why_not(POSTGRES_URL))


def needs_redis() -> str:
    """Return the URL of a Redis, or skip the test."""
    return os.environ.get(REDIS_URL) or skip_without("Redis", _why_not(REDIS_URL))


def needs_own_postgres() -> servers.OwnServer:
    """Start a PostgreSQL that this test alone may crash, or skip the test; the caller closes it (`with`)."""
    try:
        return servers.OwnServer("postgres")
    except servers.Unavailable as missing:
        skip_without("PostgreSQL", str(missing))


def needs_own_redis() -> servers.OwnServer:
    """Start a Redis that this test alone may crash, or skip the test; the caller closes it (`with`)."""
    try:
        return servers.OwnServer("redis")
    except servers.Unavailable as missing:
        skip_without("Redis", str(missing))


def needs_chromium() -> Path:
    """Return the path of the system's Chromium (`TEST_CHROMIUM` overrides it), or skip the test."""
    given = os.environ.get("TEST_CHROMIUM")
    found = (shutil.which(name) for name in ([given] if given else CHROMIUM_NAMES))
    path = next((path for path in found if path), None)
    return Path(path or skip_without("Chromium", f"{given} is not a program" if given else "it is not installed"))


def needs_npm() -> Path:
    """Return the path of npm, or skip the test."""
    return Path(shutil.which("npm") or skip_without("npm", "it is not installed"))


def needs_node() -> Path:
    """Return the path of node, or skip the test."""
    return Path(shutil.which("node") or skip_without("npm", "node is not installed"))


def needs_playground() -> Path:
    """Return the page of the built playground, or skip the test."""
    return PLAYGROUND if PLAYGROUND.exists() else skip_without("npm", "the playground is not built: make playground")


def needs_node_clients() -> Path:
    """Return the path of node, which has the packages of `tests/clients`, or skip the test."""
    if not (CLIENTS / "node_modules").exists():
        skip_without("npm", "the clients' packages are not installed: make clients")
    return needs_node()


def needs_storefront() -> Path:
    """Return the folder of the example storefront, whose packages are installed, or skip the test."""
    needs_npm()
    if not (STOREFRONT / "node_modules").exists():
        skip_without("npm", "the storefront's packages are not installed: make clients")
    return STOREFRONT


def skip_without(part: Part, why: str) -> NoReturn:
    """Skip the test in the way that the end of the session counts and shows."""
    pytest.skip(f"{MISSING}{part}: {why}")


def _why_not(variable: str) -> str:
    return os.environ.get(variable + WHY_NOT, "the test session started none")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the servers before pytest-xdist starts its workers, which inherit this environment."""
    config = session.config
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    for variable, server in ((POSTGRES_URL, servers.postgres), (REDIS_URL, servers.redis)):
        with contextlib.ExitStack() as stack:
            found = stack.enter_context(server())
            config.add_cleanup(stack.pop_all().close)
        os.environ.pop(variable, None)
        os.environ.pop(variable + WHY_NOT, None)
        if found.url is None:
            os.environ[variable + WHY_NOT] = found.how
        else:
            os.environ[variable] = found.url


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a session that had to be complete and was not."""
    is_worker = hasattr(session.config, "workerinput")
    if not is_worker and os.environ.get(REQUIRE_ALL) == "1" and _skipped(session.config):
        session.exitstatus = max(session.exitstatus, pytest.ExitCode.TESTS_FAILED)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
    """Say loudly, after everything but the closing line, what was not tested."""
    yield
    skipped = _skipped(terminalreporter.config)
    if not skipped:
        return
    terminalreporter.write_sep("!", "NOT EVERYTHING WAS TESTED", red=True, bold=True)
    for reason, tests in sorted(skipped.items()):
        terminalreporter.write_line(f"{tests:5} skipped: {reason}", red=True, bold=True)
    if os.environ.get(REQUIRE_ALL) == "1":
        terminalreporter.write_line(f"{REQUIRE_ALL}=1: this fails the session.", red=True, bold=True)
    terminalreporter.write_sep("!", red=True, bold=True)


def _skipped(config: pytest.Config) -> Counter[str]:
    """Count the tests skipped for want of a part, by reason."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if not isinstance(reporter, pytest.TerminalReporter):
        return Counter()
    reasons = (
        report.longrepr[2].removeprefix("Skipped: ")
        for report in reporter.stats.get("skipped", [])
        if isinstance(report, pytest.TestReport | pytest.CollectReport) and isinstance(report.longrepr, tuple)
    )
    return Counter(reason.removeprefix(MISSING) for reason in reasons if reason.startswith(MISSING))
