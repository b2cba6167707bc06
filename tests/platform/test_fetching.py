"""Can nobody lead us to where only we may go, and does what a stranger's server answers stay within bounds?"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx2
import pytest

from headless.platform import addresses, fetching
from headless.platform.fetching import FetchFailed, Guard

PUBLIC = "93.184.215.14"
MOST = 100_000


@dataclass(slots=True)
class Listener:
    """Somebody on this machine, who notes every connection and what it begins with."""

    port: int = 0
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"
    beginnings: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def listening(listener: Listener) -> AsyncIterator[Listener]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener.beginnings.append(await reader.read(4096))
        with suppress(OSError):
            writer.write(listener.answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    listener.port = server.sockets[0].getsockname()[1]
    servers = [server]
    with suppress(OSError):  # where there is no IPv6
        servers.append(await asyncio.start_server(serve, "::1", listener.port))
    try:
        yield listener
    finally:
        for each in servers:
            each.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening(Listener()) as made:
        yield made


def leading_to(*found: str) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """A resolver that answers these, whatever is asked."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return found

    return resolve


def answering(content: bytes, sent: list[httpx2.Request]) -> httpx2.MockTransport:
    """A server elsewhere that notes what it is asked."""

    async def stream() -> AsyncIterator[bytes]:
        yield content

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, content=stream())

    return httpx2.MockTransport(answer)


async def download(guard: Guard, url: str, *, seconds: float = 10) -> bytes:
    async with fetching.client(guard, seconds=seconds) as client:
        with await fetching.download(client, url, most_bytes=MOST, seconds=seconds) as file:
            return file.read()


HERE = [
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "017700000001", "0x7f000001", "0x7f.1",
    "0177.0.0.1", "0177.0.0.01", "0x7F.0x0.0x0.0x1", "127.0x0.1", "0", "0x0", "localhost",
    "0.0.0.0",  # noqa: S104 - nothing listens there
    "LOCALHOST", "localhost.", "127.0.0.1.", "①②⑦.⓪.⓪.①", "127。0。0。1", "%31%32%37.0.0.1", "[::1]",
    "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]",
    "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
]  # fmt: skip
ELSEWHERE = [
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "3232235777", "0300.0250.1.1", "169.254.169.254",
    "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]", "100.64.0.1", "100.127.255.255", "198.18.0.1", "192.0.0.192", "192.0.2.1",
    "203.0.113.9", "224.0.0.1", "255.255.255.255", "240.0.0.1", "[fc00::1]", "[fd00:ec2::254]", "[fe80::1]",
    "[fe80::1%25lo]", "[ff02::1]", "[fec0::1]", "[2001:db8::1]", "[2002:c0a8:101::1]", "[2002:a9fe:a9fe::]",
    "[64:ff9b::10.0.0.1]", "[::ffff:10.0.0.1]", "[::10.0.0.1]", "[100::1]", "[5f00::1]",
]  # fmt: skip


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_spelling_leads_to_a_private_address(listener: Listener, scheme: str) -> None:
    assert len(HERE) + len(ELSEWHERE) > 60

    async with fetching.client(Guard(allows_http=True), seconds=5) as client:
        for host in HERE + ELSEWHERE:
            with pytest.raises(FetchFailed) as refused:
                await fetching.download(client, f"{scheme}://{host}:{listener.port}/", most_bytes=MOST, seconds=5)
            assert "secret" not in str(refused.value), host
    assert listener.beginnings == []
    # Whoever isn't guarded gets there: it would have been noted.
    async with httpx2.AsyncClient(trust_env=False) as unguarded:
        answer = await unguarded.get(f"http://127.0.0.1:{listener.port}/")
    assert answer.text == "secret"
    assert len(listener.beginnings) == 1


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["fe80::1%lo"],
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
        [PUBLIC, "64:ff9b::7f00:1"],
        ["nonsense"],
        [],
    ],
)
async def test_name_that_leads_to_a_private_address_is_not_called(listener: Listener, found: list[str]) -> None:
    guard = Guard(allows_http=True, resolve=leading_to(*found))

    with pytest.raises(FetchFailed, match="doesn't lead to a public server") as refused:
        await download(guard, f"http://shop.example:{listener.port}/")

    assert refused.value.is_final is True
    assert listener.beginnings == []


@pytest.mark.parametrize(
    ("text", "is_public"),
    [
        (PUBLIC, True),
        ("8.8.8.8", True),
        ("100.63.255.255", True),
        ("172.32.0.1", True),
        ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::8.8.8.8", True),
        ("100.64.0.1", False),
        ("2002:808:808::", False),
        ("2001:0:1::", False),
        ("::8.8.8.8", False),
        ("4000::1", False),
        ("0.1.2.3", False),
    ],
)
def test_public_addresses_are_told_from_others(text: str, is_public: bool) -> None:
    address = addresses.parsed(text)

    assert address is not None
    assert addresses.is_public(address) is is_public


async def test_connection_goes_to_the_address_that_was_looked_at_and_asks_for_the_name() -> None:
    asked: list[tuple[str, int]] = []
    sent: list[httpx2.Request] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return ["2606:4700::1111", PUBLIC]

    inner = answering(b"picture", sent)
    async with fetching.client(Guard(resolve=resolve), seconds=5, inner=inner) as client:
        with await fetching.download(client, "https://Cdn.Example/a.jpg?x=1", most_bytes=MOST, seconds=5) as file:
            assert file.read() == b"picture"

    (request,) = sent
    assert asked == [("cdn.example", 443)]
    assert str(request.url) == f"https://{PUBLIC}/a.jpg?x=1"
    assert request.headers["host"] == "cdn.example"
    assert request.headers["accept-encoding"] == "identity"
    assert request.extensions["sni_hostname"] == "cdn.example"


async def test_tls_asks_for_the_name_not_for_the_address(listener: Listener) -> None:
    guard = Guard(is_allowed=lambda _address: True, resolve=leading_to("127.0.0.1"))

    with pytest.raises(FetchFailed, match="can't be reached"):
        await download(guard, f"https://cdn.example:{listener.port}/a.jpg")

    (hello,) = listener.beginnings
    assert hello[0] == 0x16
    assert b"cdn.example" in hello


async def test_address_of_the_sixth_version_is_connected_to() -> None:
    sent: list[httpx2.Request] = []

    guard = Guard(resolve=leading_to("2606:4700::1111"))
    async with fetching.client(guard, seconds=5, inner=answering(b"", sent)) as client:
        (await fetching.download(client, "https://cdn.example/", most_bytes=MOST, seconds=5)).close()

    assert [str(request.url) for request in sent] == ["https://[2606:4700::1111]/"]


def own(**rest: bool) -> Guard:
    """Lets tests call this machine, by a name."""
    return Guard(allows_http=True, is_allowed=lambda _address: True, resolve=leading_to("127.0.0.1"), **rest)


async def test_file_is_downloaded(listener: Listener) -> None:
    assert await download(own(), f"http://cdn.example:{listener.port}/a.jpg") == b"secret"
    assert f"Host: cdn.example:{listener.port}".encode().lower() in listener.beginnings[0].lower()


@pytest.mark.parametrize(
    ("answer", "message", "is_final"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", "leads on", True),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404", True),
        (b"HTTP/1.1 429 Slow Down\r\nContent-Length: 0\r\n\r\n", "status 429", False),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "status 500", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n", "larger than", True),
        (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(100_001), "larger than", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "can't be reached", False),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "can't be reached", False),
        (b"", "can't be reached", False),
    ],
)
async def test_odd_answers_are_refused(answer: bytes, message: str, is_final: bool) -> None:
    async with listening(Listener(answer=answer)) as listener:
        with pytest.raises(FetchFailed, match=message) as refused:
            await download(own(), f"http://cdn.example:{listener.port}/")

    assert refused.value.is_final is is_final
    assert len(listener.beginnings) == 1


async def test_server_that_never_comes_to_an_end_is_given_up() -> None:
    never = asyncio.Event()

    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(OSError):
            while not never.is_set():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(FetchFailed, match="took too long") as refused:
            await download(own(), f"http://cdn.example:{port}/", seconds=0.3)
        never.set()

    assert refused.value.is_final is False


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://cdn.example/", "begin with https"),
        ("ftp://cdn.example/", "begin with https"),
        ("file:///etc/passwd", "begin with https"),
        ("gopher://cdn.example/", "begin with https"),
        ("https://user:secret@cdn.example/", "password"),
        ("https://", "."),
        ("//cdn.example", "."),
        ("https://[::1", "."),
        ("https://cdn.example:99999/", "."),
        ("", "."),
    ],
)
async def test_what_is_no_address_for_us_is_not_called(url: str, message: str) -> None:
    sent: list[httpx2.Request] = []

    guard = Guard(resolve=leading_to(PUBLIC))
    async with fetching.client(guard, seconds=5, inner=answering(b"", sent)) as client:
        with pytest.raises(FetchFailed, match=message):
            await fetching.download(client, url, most_bytes=MOST, seconds=5)
    assert sent == []


async def test_unknown_host_may_be_known_later() -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    with pytest.raises(FetchFailed, match="can't be reached") as refused:
        await download(Guard(resolve=resolve), "https://cdn.example/")

    assert refused.value.is_final is False


async def test_system_resolver_reads_numbers_in_all_their_forms() -> None:
    for spelling in ("127.1", "2130706433", "0x7f.1"):
        assert list(await fetching.resolve(spelling, 443)) == ["127.0.0.1"]
    assert ssl.HAS_SNI
