"""How are the measured servers started, weighed and ended, each by its own pid?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PROC = Path("/proc")
END_SECONDS = 15.0
LOG_LINES = 15


class SetupFailed(Exception):
    """A scenario can't begin; says what is missing."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the process table; `ticks` include the children that ended."""

    pid: int
    parent: int
    ticks: int
    started: int


@dataclass(frozen=True, slots=True)
class Program:
    """A program that we started, and where its output goes."""

    process: asyncio.subprocess.Process
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def check(self) -> None:
        """Raise SetupFailed when it ended on its own."""
        if self.process.returncode is not None:
            raise SetupFailed(f"The server ended with code {self.process.returncode}:\n{last_lines(self.log)}")


@asynccontextmanager
async def running(
    command: Sequence[str], *, environment: Mapping[str, str], directory: Path, log: Path
) -> AsyncIterator[Program]:
    """Run a program for as long as the block lasts."""
    with _appending(log) as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            cwd=directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Program(process, log)
    finally:
        await _end(process)


class Dialogue:
    """A program of ours that answers lines with lines."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    async def say(self, line: bytes) -> None:
        """Send a line; what is in the way of it shows at the next answer."""
        if self._process.stdin is not None:
            with contextlib.suppress(ConnectionError):
                self._process.stdin.write(line + b"\n")
                await self._process.stdin.drain()

    async def hear(self) -> bytes:
        """Answer its next line; SetupFailed when it has ended."""
        line = await self._process.stdout.readline() if self._process.stdout is not None else b""
        if not line:
            raise SetupFailed(f"The buyers' process ended:\n{last_lines(self._log)}")
        return line.strip()


@asynccontextmanager
async def talking(
    command: Sequence[str], *, environment: Mapping[str, str], directory: Path, log: Path
) -> AsyncIterator[Dialogue]:
    """Run a program that one talks with, for as long as the block lasts."""
    with _appending(log) as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            cwd=directory,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Dialogue(process, log)
    finally:
        await _end(process)


async def output_of(command: Sequence[str], *, environment: Mapping[str, str], directory: Path) -> str:
    """Run a program to its end and answer what it printed; SetupFailed when it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        cwd=directory,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = await process.communicate()
    finally:
        await _end(process)
    if process.returncode:
        said = err.decode(errors="replace")[-1000:]
        raise SetupFailed(f"{Path(command[0]).name} {command[1]} ended with code {process.returncode}:\n{said}")
    return out.decode().strip()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask a program to end; what hasn't ended after a while, its own children included, is killed by pid."""
    if process.returncode is not None:
        return
    family = [entry for entry in tree(process.pid) if entry.pid != process.pid]
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
    for entry in family:
        now = _entry(entry.pid)
        if now is not None and now.started == entry.started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(entry.pid, signal.SIGKILL)


def _appending(path: Path) -> BinaryIO:
    return path.open("ab")


def last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_seconds(*pids: int | None) -> float | None:
    """CPU time of processes, their descendants and the children they outlived; None where there is no /proc."""
    family = [entry for pid in pids if pid is not None for entry in tree(pid)]
    return sum(entry.ticks for entry in family) / os.sysconf("SC_CLK_TCK") if family else None


def tree(pid: int) -> list[Entry]:
    """A process and its living descendants."""
    if not PROC.is_dir():
        return []
    entries = [entry for path in PROC.iterdir() if path.name.isdigit() and (entry := _entry(int(path.name)))]
    found = [entry for entry in entries if entry.pid == pid]
    for parent in found:
        found.extend(entry for entry in entries if entry.parent == parent.pid)
    return found


def _entry(pid: int) -> Entry | None:
    try:
        line = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # From the state on, since the name before it may hold spaces: proc(5) counts it as field 3.
    fields = line[line.rindex(")") + 2 :].split()
    return Entry(pid, parent=int(fields[1]), ticks=sum(map(int, fields[11:15])), started=int(fields[19]))


def title(pid: int) -> str:
    """Answer the command line that a process shows, empty when there is none."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def listener_on(port: int) -> int | None:
    """The process of ours that listens on a TCP port of this machine."""
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(PROC / "net" / table, port)}
    for path in PROC.iterdir() if inodes else ():
        if path.name.isdigit() and _holds(path / "fd", inodes):
            return int(path.name)
    return None


def _listening(table: Path, port: int) -> list[str]:
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
    return [row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port]


def _holds(descriptors: Path, inodes: set[str]) -> bool:
    try:
        names = list(descriptors.iterdir())
    except OSError:
        return False
    for name in names:
        with contextlib.suppress(OSError):
            if str(name.readlink()) in inodes:
                return True
    return False
