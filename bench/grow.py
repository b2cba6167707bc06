"""Does a shop stay quick while its catalog grows? The same reads of a small and of a large one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import Request, urlopen

from bench.client import Address, Connection, Conversation, Document, OperationFailed, Unreachable
from bench.processes import SetupFailed, free_port, output_of
from bench.servers import HEADLESS, environment_of, headless, token_for
from headless.merchandising import generated

SIZES = (1_000, 100_000)
ROUNDS = 15
WAYS = 4
"""Words, vendors and tags that each read takes turns with."""
MIRROR_SECONDS = 300
DEEP = 250
"""Products that follow the deep page's cursor."""

LIST = Document("""
    query List($query: String, $filters: [ProductFilter!], $sortKey: ProductSortKey, $after: String) {
      products(first: 24, query: $query, filters: $filters, sortKey: $sortKey, after: $after) {
        nodes {
          id title handle availableForSale priceRange { minVariantPrice { amount currencyCode } }
          featuredMedia { url altText }
          variants(first: 10) { nodes { id title sku price { amount currencyCode } availableForSale } }
        }
        pageInfo { hasNextPage endCursor }
      }
    }
""")
FACETS = Document("""
    query Facets($query: String, $filters: [ProductFilter!]) {
      products(first: 24, query: $query, filters: $filters) {
        nodes { id title } filters { id label type values { id label count input } }
      }
    }
""")
COUNT = Document("""
    query Count($query: String, $filters: [ProductFilter!]) {
      products(first: 24, query: $query, filters: $filters) { totalCount nodes { id title } }
    }
""")
LAST = Document("query Last($last: Int!) { products(last: $last) { pageInfo { startCursor } } }")
SHOP = Document("query Shop { shop { name } }")


@dataclass(frozen=True, slots=True)
class Read:
    """One question of a shopper, in a few ways: other words, other values."""

    name: str
    document: Document
    ways: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Taken:
    """What one read took at one size: asked for the first time, and again and again."""

    anew_ms: float
    again_ms: float
    statements: int
    """The most that it took."""


@dataclass(frozen=True, slots=True)
class Growth:
    """One read at every size, smallest first."""

    database: str
    name: str
    sizes: list[int]
    taken: list[Taken]

    @property
    def ratio(self) -> float:
        """How much longer it takes in the largest shop than in the smallest."""
        return self.taken[-1].again_ms / self.taken[0].again_ms

    @property
    def ratio_anew(self) -> float:
        return self.taken[-1].anew_ms / self.taken[0].anew_ms


async def measure(directory: Path, database: str, *, sizes: Sequence[int], say: Callable[[str], None]) -> list[Growth]:
    """Let one shop grow to each size, and ask a server of its own the same at each."""
    shop = directory / "grow"
    shop.mkdir()
    port = free_port()
    environment = environment_of(shop, port=port, database=database)
    found: dict[str, list[Taken]] = {}
    for size in sizes:
        say(f"grow, {size:,} products")
        for command in (["migrate"], ["seed", "--products", str(size)]):
            await output_of([HEADLESS, *command], environment=environment, directory=shop)
        say(f"grow, reading {size:,}")
        token = await token_for(environment, shop)
        async with headless(["serve"], environment, shop, port), Connection(Address("127.0.0.1", port)) as connection:
            say(f"grow, all products in memory after {await _until_mirrored(port, token):.1f} s")
            try:
                for read in await _reads(connection):
                    found.setdefault(read.name, []).append(await _time(connection, read))
            except (OperationFailed, Unreachable) as error:
                raise SetupFailed(f"A list of {size:,} products can't be read: {error}") from error
    kind = "postgresql" if database else "sqlite"
    return [Growth(kind, name, list(sizes), taken) for name, taken in found.items()]


async def _until_mirrored(port: int, token: str) -> float:
    """Wait until the server has read what it counts lists by; answer how many seconds that took."""
    began = time.monotonic()
    asked = Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {token}"})
    while time.monotonic() - began < MIRROR_SECONDS:
        with await asyncio.to_thread(urlopen, asked, timeout=10) as response:
            lines = response.read().decode().splitlines()
        if "headless_mirrored_products 0.0" not in lines:
            return time.monotonic() - began
        await asyncio.sleep(0.1)
    raise SetupFailed(f"The server hasn't read the catalog within {MIRROR_SECONDS} seconds.")


async def _reads(connection: Connection) -> list[Read]:
    """The questions, about products that a shop of any size has."""
    some = [generated.product(number).draft for number in range(1, WAYS + 1)]
    vendors = list(
        dict.fromkeys(generated.product(1 + generated.OF_ONE_VENDOR * nth).draft.vendor for nth in range(WAYS))
    )
    names = [draft.title.split()[-1] for draft in some]
    last = await Conversation(connection).ask(LAST, last=DEEP)
    deep = last["products"]["pageInfo"]["startCursor"]
    rare = [{"filters": [{"vendor": vendor}]} for vendor in vendors]
    wide = [{"filters": [{"tag": tag}]} for tag in generated.TAGS[:WAYS]]
    both = [
        {"filters": [{"tag": tag}, {"variantOption": {"name": "Size", "value": size}}]}
        for tag, size in zip(generated.TAGS, generated.SIZES, strict=False)
    ]
    named = [{"query": name} for name in names]
    broad = [{"query": material.lower()} for material in generated.MATERIALS[:WAYS]]
    return [
        Read("list", LIST, [{}]),
        Read("list by price", LIST, [{"sortKey": "PRICE"}]),
        Read("deep page", LIST, [{"after": deep}]),
        Read("search, rare", LIST, named),
        Read("search, 1 in 20", LIST, broad),
        Read("search, all", LIST, [{"query": "made"}]),
        Read("filter, rare", LIST, rare),
        Read("filter, 1 in 9", LIST, wide),
        Read("filter by price, rare", LIST, [{**way, "sortKey": "PRICE"} for way in rare]),
        Read("filter by price, 1 in 9", LIST, [{**way, "sortKey": "PRICE"} for way in wide]),
        Read("two filters by price", LIST, [{**way, "sortKey": "PRICE"} for way in both]),
        Read("facets", FACETS, [{}]),
        Read("facets, rare", FACETS, rare),
        Read("facets, 1 in 9", FACETS, wide),
        Read("facets, two filters", FACETS, both),
        Read("facets of a rare search", FACETS, named),
        Read("facets of a search, 1 in 20", FACETS, broad),
        Read("count", COUNT, [{}]),
        Read("count, 1 in 9", COUNT, wide),
    ]


async def _time(connection: Connection, read: Read) -> Taken:
    for _ in range(WAYS):
        await Conversation(connection).ask(SHOP)
        # A document's first answer pays for reading the document: not what is asked for here.
        await Conversation(connection).ask(read.document, query="nothing-that-is-there", filters=[])
    anew: list[float] = []
    again: list[float] = []
    statements = 0
    for nth in range(1 + ROUNDS):
        for way in read.ways:
            asked = Conversation(connection)
            began = time.perf_counter()
            data = await asked.ask(read.document, **way)
            (again if nth else anew).append(1000 * (time.perf_counter() - began))
            if not data["products"]["nodes"]:
                raise OperationFailed(f"{read.name} finds nothing")
            statements = max(statements, asked.statements or 0)
    return Taken(median(anew), median(again), statements)
