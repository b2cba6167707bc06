"""Does a server sell what it hasn't got? Many buyers race for few units, through the public API alone.

    python bench/oversell.py --url http://127.0.0.1:8000 --token TOKEN

Needs nothing but Python, and a token that may write products and inventory. It makes a product of its own, fills a
cart for every buyer, lets them all pay, so many at a time, with the test provider `sandbox`, and looks into the books.
The exit code is 0 when exactly what was there was sold and everybody else was told OUT_OF_STOCK, 1 when anything else
happened, 2 when the race could not begin.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

S = TypeVar("S")
T = TypeVar("T")
Json = dict[str, Any]

PATIENCE_SECONDS = 120.0
"""How long a buyer comes again who is told to."""
REQUEST_SECONDS = 60.0
BUSY = {429, 503}
OK = 200
TO_COME_AGAIN = {"IDEMPOTENCY_CONCURRENT_REQUEST", "PAYMENT_FAILED", "PAYMENT_PENDING", "UNAVAILABLE"}
"""Endings that are none: the key is still in use, or the server was too busy to ask the provider."""

IDLE_SECONDS = 1.0
"""A connection unused for longer isn't trusted: servers close idle ones, and what was sent on them is lost."""
SHOP = """{
  shop { defaultChannel { defaultCountry } }
  locations(first: 250) { nodes { id isActive } }
}"""
CREATE = """mutation ($input: ProductCreateInput!) {
  productCreate(input: $input) { product { id variants(first: 1) { nodes { id } } } userErrors { code message } }
}"""
PUBLISH = """mutation ($input: ProductPublishInput!) {
  productPublish(input: $input) { userErrors { code message } }
}"""
UNPUBLISH = PUBLISH.replace("Publish", "Unpublish")
STOCK = """mutation ($input: InventorySetInput!) {
  inventorySet(input: $input) { userErrors { code message } }
}"""
CART = """mutation ($input: CartCreateInput!) {
  cartCreate(input: $input) { cart { id } userErrors { code message } warnings { code message } }
}"""
ADDRESS = """mutation ($input: CartDeliveryAddressUpdateInput!) {
  cartDeliveryAddressUpdate(input: $input) { cart { deliveryOptions { id } } userErrors { code message } }
}"""
OPTION = """mutation ($input: CartDeliveryOptionSelectInput!) {
  cartDeliveryOptionSelect(input: $input) { userErrors { code message } }
}"""
PAY = "checkoutComplete(input: ${name}) {{ order {{ id }} checkout {{ status }} userErrors {{ code message }} }}"
BOOKS = """query ($variant: ID!, $after: String) {
  variant(id: $variant) {
    quantityAvailable
    inventoryLevels { location { id } quantities { name quantity } }
  }
  inventoryMovements(first: 250, after: $after, variantId: $variant) {
    nodes { name delta location { id } }
    pageInfo { hasNextPage endCursor }
  }
}"""


class SetupFailed(Exception):
    """The race can't begin; says what is missing."""


class Lost(Exception):
    """No answer came, or one that is no answer of the API."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is raced for: `units` of one variant, `lines` of them in each of `buyers` carts."""

    buyers: int = 400
    units: int = 100
    at_once: int = 20
    lines: int = 1
    """Lines of one unit each on which every cart has the variant."""
    locations: int = 1
    """Locations over which the units are spread."""
    aliases: int = 1
    """Carts that are paid in one request, under aliases."""

    @property
    def most(self) -> int:
        """How many orders can be filled."""
        return min(self.buyers, self.units // self.lines)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    status: int
    body: Json
    retry_after: float = 1.0

    def root(self, name: str) -> Json:
        """A root field of an answer in which nothing was refused; raises SetupFailed."""
        payload = (self.body.get("data") or {}).get(name)
        if self.status != OK or self.body.get("errors") or not isinstance(payload, dict):
            raise SetupFailed(f"{name}: HTTP {self.status}, {json.dumps(self.body.get('errors', self.body))[:500]}")
        told = [*payload.get("userErrors", ()), *payload.get("warnings", ())]
        if told:
            raise SetupFailed(f"{name}: {json.dumps(told)[:500]}")
        return payload


class Api:
    """Server processes of one shop; each request goes to the next of them. Every thread has its own connections."""

    def __init__(self, urls: Sequence[str], *, token: str) -> None:
        self._targets = [urlsplit(url if "://" in url else f"http://{url}") for url in urls]
        self._token = token
        self._turns = itertools.count()
        self._own = threading.local()
        self._opened: list[http.client.HTTPConnection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for connection in self._opened:
            connection.close()

    def execute(self, document: str, variables: Mapping[str, Any], *, as_staff: bool = False) -> Answer:
        """Send an operation; raises Lost."""
        nth = next(self._turns) % len(self._targets)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if as_staff:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = self._connection(nth)
        used: dict[int, float] = self._own.__dict__.setdefault("used", {})
        if time.monotonic() - used.get(nth, 0.0) > IDLE_SECONDS:
            connection.close()
        path = self._targets[nth].path.rstrip("/") or "/graphql"
        try:
            connection.request("POST", path, json.dumps({"query": document, "variables": variables}), headers)
            response = connection.getresponse()
            body = json.loads(response.read())
            used[nth] = time.monotonic()
            return Answer(response.status, body, float(response.headers.get("Retry-After", 1)))
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise Lost(f"{type(error).__name__}: {error}") from error

    def patiently(self, document: str, variables: Mapping[str, Any], *, as_staff: bool = False) -> Answer:
        """Send what may be sent again, and come again when told to."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        answer = self.execute(document, variables, as_staff=as_staff)
        while answer.status in BUSY and time.monotonic() < deadline:
            time.sleep(answer.retry_after)
            answer = self.execute(document, variables, as_staff=as_staff)
        return answer

    def _connection(self, nth: int) -> http.client.HTTPConnection:
        known: dict[int, http.client.HTTPConnection] = self._own.__dict__.setdefault("connections", {})
        if nth not in known:
            target = self._targets[nth]
            kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
            known[nth] = kind(target.hostname or "", target.port, timeout=REQUEST_SECONDS)
            self._opened.append(known[nth])
        return known[nth]


@dataclass(frozen=True, slots=True)
class Goods:
    """The variant that is raced for, and where it is."""

    product_id: str
    variant_id: str
    country: str


@dataclass(slots=True)
class Buyer:
    """One cart and how its buyer fared."""

    cart_id: str
    key: str = field(default_factory=lambda: uuid4().hex)
    order_id: str | None = None
    refusal: str | None = None
    failure: str | None = None
    seconds: float = 0.0

    @property
    def is_done(self) -> bool:
        return bool(self.order_id or self.refusal or self.failure)


@dataclass(slots=True)
class Books:
    """Quantities by location and name after the race, once as levels and once as sums of the ledger."""

    levels: Counter[tuple[str, str]] = field(default_factory=Counter)
    ledger: Counter[tuple[str, str]] = field(default_factory=Counter)
    sellable: int = 0

    @property
    def add_up(self) -> bool:
        """Whether the ledger explains every level. Of what is available nothing is written: it is a difference."""
        return all(
            self.levels[key] == self.ledger[key] for key in {*self.levels, *self.ledger} if key[1] != "available"
        )

    def total(self, name: str) -> int:
        return sum(quantity for (_, of), quantity in self.levels.items() if of == name)


@dataclass(slots=True)
class Report:
    """What came of a race."""

    wanted: Wanted
    buyers: Sequence[Buyer]
    books: Books
    seconds: float
    waits: Counter[str]
    """How often buyers were told to come again, by reason."""

    @property
    def sold(self) -> int:
        return len({buyer.order_id for buyer in self.buyers if buyer.order_id})

    @property
    def refused(self) -> Counter[str]:
        return Counter(buyer.refusal for buyer in self.buyers if buyer.refusal)

    @property
    def failed(self) -> Counter[str]:
        return Counter(buyer.failure for buyer in self.buyers if buyer.failure)

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of the buyers had their answer, with all that they waited."""
        spent = sorted(buyer.seconds for buyer in self.buyers)
        return spent[min(len(spent) - 1, int(len(spent) * share))] * 1000

    @property
    def problems(self) -> list[str]:
        """What must not be; empty when the server kept its promise."""
        wanted, books, sold = self.wanted, self.books, self.sold
        taken = sold * wanted.lines
        expected = {"on_hand": wanted.units, "reserved": 0, "committed": taken, "available": wanted.units - taken}
        checks = {
            f"OVERSOLD: {sold} orders where {wanted.most} could be filled": sold > wanted.most,
            f"only {sold} orders where {wanted.most} could be filled": sold < wanted.most,
            f"{self.failed.total()} buyers got no proper answer": bool(self.failed),
            f"refused for something else than stock: {dict(self.refused)}": bool(set(self.refused) - {"OUT_OF_STOCK"}),
            "two buyers got the same order": sold != sum(bool(buyer.order_id) for buyer in self.buyers),
            f"{books.sellable} units are offered, {wanted.units - taken} are left": books.sellable
            != wanted.units - taken,
            "the ledger doesn't add up to the levels": not books.add_up,
            **{
                f"{name} is {books.total(name)} instead of {quantity}": books.total(name) != quantity
                for name, quantity in expected.items()
            },
        }
        return [problem for problem, is_so in checks.items() if is_so]

    def text(self) -> str:
        wanted, books = self.wanted, self.books
        levels = ", ".join(f"{name} {books.total(name)}" for name in ("on_hand", "reserved", "committed"))
        told = {
            "race": ", ".join(f"{name.name} {getattr(wanted, name.name)}" for name in fields(wanted)),
            "sold": f"{self.sold}",
            "refused": f"{self.refused.total()}  {_listed(self.refused)}",
            "failed": f"{self.failed.total()}  {_listed(self.failed)}",
            "come again": f"{self.waits.total()}  {_listed(self.waits)}",
            "speed": f"{self.sold / self.seconds:.0f} orders/s, {wanted.buyers / self.seconds:.0f} answers/s",
            "answers": f"p50 {self.percentile(0.5):.0f} ms, p95 {self.percentile(0.95):.0f} ms",
            "levels": f"{levels}; the ledger {'adds up' if books.add_up else 'is off'}",
            "verdict": "; ".join(self.problems) or "KEPT: what was there was sold, once, and nothing else",
        }
        return "\n".join(f"{name:12}{value}" for name, value in told.items())


def run(urls: Sequence[str], token: str, wanted: Wanted) -> Report:
    """Hold a whole race; raises SetupFailed."""
    with Api(urls, token=token) as api:
        try:
            goods = stock_up(api, wanted)
            carts = _each(range(wanted.buyers), lambda nth: fill(api, goods, wanted, nth), at_once=wanted.at_once)
            return race(api, goods, wanted, carts)
        except Lost as lost:
            raise SetupFailed(str(lost)) from lost


def race(api: Api, goods: Goods, wanted: Wanted, carts: Sequence[str]) -> Report:
    """Let the buyers of these carts pay, and look into the books; raises SetupFailed and Lost."""
    buyers = [Buyer(cart_id) for cart_id in carts]
    waits: Counter[str] = Counter()
    started = time.monotonic()
    groups = [buyers[first : first + wanted.aliases] for first in range(0, len(buyers), wanted.aliases)]
    for counted in _each(groups, lambda group: pay(api, group), at_once=wanted.at_once):
        waits.update(counted)
    seconds = time.monotonic() - started
    books = read_books(api, goods)
    api.patiently(UNPUBLISH, {"input": {"id": goods.product_id}}, as_staff=True).root("productUnpublish")
    return Report(wanted, buyers, books, seconds, waits)


def stock_up(api: Api, wanted: Wanted) -> Goods:
    """Put a variant on sale, its units spread over the locations."""
    shop = api.patiently(SHOP, {}, as_staff=True)
    country = shop.root("shop")["defaultChannel"]["defaultCountry"]
    places = [node["id"] for node in shop.root("locations")["nodes"] if node["isActive"]][: wanted.locations]
    if len(places) < wanted.locations:
        raise SetupFailed(f"The shop has {len(places)} active locations, and {wanted.locations} are wanted.")
    given = {"title": f"Race {uuid4().hex[:8]}", "variants": [{"price": "10", "tracked": True}]}
    product = api.patiently(CREATE, {"input": given}, as_staff=True).root("productCreate")["product"]
    variant_id = product["variants"]["nodes"][0]["id"]
    shares = [wanted.units // len(places) + (nth < wanted.units % len(places)) for nth in range(len(places))]
    changes = [
        {"variantId": variant_id, "locationId": place, "quantity": share, "changeFromQuantity": None}
        for place, share in zip(places, shares, strict=True)
    ]
    count = {"reason": "race", "idempotencyKey": uuid4().hex, "changes": changes}
    api.patiently(STOCK, {"input": count}, as_staff=True).root("inventorySet")
    api.patiently(PUBLISH, {"input": {"id": product["id"]}}, as_staff=True).root("productPublish")
    return Goods(product["id"], variant_id, country)


def fill(api: Api, goods: Goods, wanted: Wanted, nth: int) -> str:
    """Make a cart that nothing stops from being bought; answer its id."""
    lines = [
        {"variantId": goods.variant_id, "quantity": 1, "attributes": [{"key": "line", "value": str(line)}]}
        for line in range(wanted.lines)
    ]
    given = {"lines": lines, "buyerIdentity": {"email": f"buyer-{nth}@race.example"}}
    cart_id: str = api.patiently(CART, {"input": given}).root("cartCreate")["cart"]["id"]
    address = {"lastName": "Racer", "address1": "Track 1", "city": "Speed", "countryCode": goods.country}
    addressed = api.patiently(ADDRESS, {"input": {"cartId": cart_id, "address": address}})
    options = addressed.root("cartDeliveryAddressUpdate")["cart"]["deliveryOptions"]
    if not options:
        raise SetupFailed(f"The shop doesn't deliver to {goods.country}, the country of its own channel.")
    choice = {"cartId": cart_id, "deliveryOptionId": options[0]["id"]}
    api.patiently(OPTION, {"input": choice}).root("cartDeliveryOptionSelect")
    return cart_id


def pay(api: Api, buyers: Sequence[Buyer]) -> Counter[str]:
    """Pay some carts in one request, each under its own key; those that are told to come again do so."""
    waits: Counter[str] = Counter()
    started = time.monotonic()
    waiting = list(buyers)
    while waiting:
        pause = _attempt(api, waiting, waits)
        for buyer in waiting:
            buyer.seconds = time.monotonic() - started
            if not buyer.is_done and buyer.seconds > PATIENCE_SECONDS:
                buyer.failure = f"told to come again for {PATIENCE_SECONDS:.0f} seconds"
        waiting = [buyer for buyer in waiting if not buyer.is_done]
        if waiting:
            time.sleep(pause)
    return waits


def _attempt(api: Api, buyers: Sequence[Buyer], waits: Counter[str]) -> float:
    """Ask once, note every buyer's ending and reason to wait; answer how long to wait before the next time."""
    names = [f"pay{nth}" for nth in range(len(buyers))]
    head = ", ".join(f"${name}: CheckoutCompleteInput!" for name in names)
    body = " ".join(f"{name}: {PAY.format(name=name)}" for name in names)
    inputs = {
        name: {
            "cartId": buyer.cart_id,
            "payment": {"provider": "sandbox", "token": "tok_visa"},
            "idempotencyKey": buyer.key,
        }
        for name, buyer in zip(names, buyers, strict=True)
    }
    try:
        answer = api.execute(f"mutation ({head}) {{ {body} }}", inputs)
    except Lost as lost:
        for buyer in buyers:
            buyer.failure = f"no answer: {lost}"
        return 0.0
    if answer.status in BUSY:
        waits[f"HTTP {answer.status}"] += len(buyers)
        return answer.retry_after
    faults = {error["path"][0]: _code(error) for error in answer.body.get("errors", ()) if error.get("path")}
    for name, buyer in zip(names, buyers, strict=True):
        payload = (answer.body.get("data") or {}).get(name)
        _note(buyer, payload, faults.get(name, f"HTTP {answer.status}: {json.dumps(answer.body)[:200]}"), waits)
    return answer.retry_after if "UNAVAILABLE" in faults.values() else 0.2


def _note(buyer: Buyer, payload: Json | None, fault: str, waits: Counter[str]) -> None:
    """Keep what one buyer was told."""
    if payload is None:
        told = fault
    elif payload["order"] is not None:
        buyer.order_id = payload["order"]["id"]
        return
    elif payload["userErrors"]:
        told = "+".join(sorted({error["code"] for error in payload["userErrors"]}))
    else:
        told = (payload["checkout"] or {}).get("status", "nothing")
    if told in TO_COME_AGAIN:
        waits[told] += 1
    elif payload is not None and payload["userErrors"]:
        buyer.refusal = told
    else:
        buyer.failure = told


def read_books(api: Api, goods: Goods) -> Books:
    """Read the levels and the whole ledger of the variant."""
    books = Books()
    after: str | None = None
    while True:
        answer = api.patiently(BOOKS, {"variant": goods.variant_id, "after": after}, as_staff=True)
        variant, page = answer.root("variant"), answer.root("inventoryMovements")
        for movement in page["nodes"]:
            books.ledger[movement["location"]["id"], movement["name"]] += movement["delta"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    books.sellable = variant["quantityAvailable"]
    for level in variant["inventoryLevels"]:
        for quantity in level["quantities"]:
            books.levels[level["location"]["id"], quantity["name"]] = quantity["quantity"]
    return books


def _each(items: Iterable[S], do: Callable[[S], T], *, at_once: int) -> list[T]:
    """Do something with every item, in threads, so many at a time; the results keep the order."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(do, items))


def _code(error: Json) -> str:
    return str((error.get("extensions") or {}).get("code") or error.get("message"))


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{reason}: {times}" for reason, times in counted.most_common())


def _wanted(arguments: argparse.Namespace) -> Wanted:
    names = ("buyers", "units", "at_once", "lines", "locations", "aliases")
    return Wanted(**{name: getattr(arguments, name) for name in names})


def main() -> int:
    """Run the race that the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--url", action="append", required=True, help="a server; repeat it for several of one shop")
    parser.add_argument("--token", required=True, help="may READ_ and WRITE_ PRODUCTS and INVENTORY")
    standard = Wanted()
    for name, meaning in (
        ("buyers", "carts that want to be paid"),
        ("units", "units in stock"),
        ("at-once", "requests on their way at the same time"),
        ("lines", "lines of one unit on which each cart has the variant"),
        ("locations", "locations that share the units"),
        ("aliases", "carts that are paid in one request"),
    ):
        parser.add_argument(
            f"--{name}", type=_positive, default=getattr(standard, name.replace("-", "_")), metavar="N", help=meaning
        )
    arguments = parser.parse_args()
    try:
        report = run(arguments.url, arguments.token, _wanted(arguments))
    except SetupFailed as failed:
        print(f"The race could not be held: {failed}", file=sys.stderr)
        return 2
    print(report.text())
    return 1 if report.problems else 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
