"""How does a server of ours call an address that a stranger named, without being led to where only we may go?"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final, cast

import httpx2

from headless.platform import addresses
from headless.platform.addresses import Address

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

IN_MEMORY: Final = 1024 * 1024
CONNECT_SECONDS: Final = 5.0
AGENT: Final = "headless"
PORTS: Final = range(1, 65536)
_COME_AGAIN: Final = frozenset({408, 425, 429})


class AddressRefused(Exception):
    """The address isn't one that we call; the message tells people why."""


class FetchFailed(Exception):
    """Nothing came of it; the message tells people why. `is_final`: trying again won't help."""

    def __init__(self, message: str, *, is_final: bool) -> None:
        super().__init__(message)
        self.is_final = is_final


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system where a host is; raises OSError. It reads numbers in all their forms: decimal, octal, short."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Guard:
    """What may be called. Only tests have another view of `is_allowed` than the public's, or another `resolve`."""

    allows_http: bool = False
    is_allowed: Callable[[Address], bool] = addresses.is_public
    resolve: Resolve = resolve


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Asks once where a host is, looks at all that comes back, and connects to the very address that it looked at.

    So nobody can answer one address to the check and another to the connection. TLS still asks for the host by name.
    """

    def __init__(self, guard: Guard, inner: httpx2.AsyncBaseTransport | None = None) -> None:
        self._guard = guard
        self._inner = inner or httpx2.AsyncHTTPTransport(trust_env=False, retries=0)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises `AddressRefused` beside what httpx2 does."""
        url = request.url
        if url.scheme != "https" and not (self._guard.allows_http and url.scheme == "http"):
            raise AddressRefused("Only addresses that begin with https:// are called.")
        if url.userinfo:
            raise AddressRefused("An address that holds a password isn't called.")
        host, port = url.raw_host.decode("ascii"), url.port or (443 if url.scheme == "https" else 80)
        if port not in PORTS:
            raise AddressRefused("There is no such port.")
        checked = await self._checked(host, port, request)
        pinned = httpx2.Request(
            request.method,
            url.copy_with(host=str(checked)),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return await self._inner.handle_async_request(pinned)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _checked(self, host: str, port: int, request: httpx2.Request) -> Address:
        try:
            found = await self._guard.resolve(host.strip("[]"), port)
        except (OSError, UnicodeError) as error:
            raise httpx2.ConnectError("The host isn't known.", request=request) from error
        known = [addresses.parsed(text) for text in found]
        allowed = [address for address in known if address is not None and self._guard.is_allowed(address)]
        # One that isn't public is enough: whoever mixes them in means harm.
        if not allowed or len(allowed) < len(known):
            raise AddressRefused("The address doesn't lead to a public server.")
        return min(allowed, key=lambda address: address.version)


def client(guard: Guard, *, seconds: float, inner: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """A client that calls nothing but what the guard lets through, follows no redirect and uses no proxy."""
    return httpx2.AsyncClient(
        transport=GuardedTransport(guard, inner),
        timeout=httpx2.Timeout(seconds, connect=CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": AGENT},
    )


async def download(
    called: httpx2.AsyncClient, url: str, *, most_bytes: int, seconds: float, accept: str = "*/*"
) -> BinaryIO:
    """Get a file, at its beginning and larger than memory if need be; whoever gets it closes it.

    Raises `FetchFailed`, and nothing else that the other side can cause.
    """
    written = cast("BinaryIO", SpooledTemporaryFile(max_size=IN_MEMORY))  # noqa: SIM115 - the caller reads it
    try:
        async with asyncio.timeout(seconds):
            await _write(called, url, written, most_bytes, accept)
    except BaseException as error:
        written.close()
        match error:
            case AddressRefused():
                raise FetchFailed(str(error), is_final=True) from None
            case TimeoutError() | httpx2.TimeoutException():
                raise FetchFailed("The server took too long to answer.", is_final=False) from None
            case httpx2.InvalidURL() | httpx2.UnsupportedProtocol() | UnicodeError():
                raise FetchFailed("This is no address of the web.", is_final=True) from None
            case httpx2.HTTPError():
                raise FetchFailed("The server can't be reached.", is_final=False) from error
            case _:
                raise
    written.seek(0)
    return written


async def _write(called: httpx2.AsyncClient, url: str, written: BinaryIO, most_bytes: int, accept: str) -> None:
    too_large = FetchFailed(f"The file is larger than {most_bytes // 1024 // 1024} MB.", is_final=True)
    # Not packed: a few bytes could unpack to more than we have.
    headers = {"Accept": accept, "Accept-Encoding": "identity"}
    async with called.stream("GET", url, headers=headers) as response:
        if response.is_redirect:
            raise FetchFailed("The address leads on to another one: give that one.", is_final=True)
        if not response.is_success:
            status = response.status_code
            may_change = status in _COME_AGAIN or response.is_server_error
            raise FetchFailed(f"The server answers with the status {status}.", is_final=not may_change)
        announced = response.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > most_bytes:
            raise too_large
        left = most_bytes
        async for chunk in response.aiter_raw():
            left -= len(chunk)
            if left < 0:
                raise too_large
            await asyncio.to_thread(written.write, chunk)
