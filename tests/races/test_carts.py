"""Is any change of a cart lost when many change it at once, over two processes?"""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.builders import Form, make_product
from tests.races.street import IS_SOAK, Street, at_once, variant
from tests.serving import Json, cart_mutation, codes, edit

WRITERS, CHANGES = (16, 100) if IS_SOAK else (8, 15)
ENGRAVED = [{"key": "engraving", "value": "for Marie"}]
Key = tuple[str, bool]
"""Variant, and whether it is engraved: what makes a line of its own."""


@dataclass(slots=True)
class Change:
    """A mutation that was carried out, and the version of the cart that it made."""

    name: str
    given: Json
    cart: Json


@dataclass(slots=True)
class Model:
    """A cart that is changed by one after the other."""

    lines: Counter[Key] = field(default_factory=Counter)
    note: str = ""

    def apply(self, change: Change, key_of: dict[str, Key]) -> None:
        given = change.given
        if change.name == "cartLinesAdd":
            for line in given["lines"]:
                self.lines[line["variantId"], bool(line["attributes"])] += line["quantity"]
        elif change.name == "cartLinesUpdate":
            for line in given["lines"]:
                assert self.lines[key_of[line["id"]]] > 0
                self.lines[key_of[line["id"]]] = line["quantity"]
        elif change.name == "cartLinesRemove":
            for line_id in given["lineIds"]:
                assert self.lines[key_of[line_id]] > 0
                self.lines[key_of[line_id]] = 0
        else:
            self.note = given["note"]


@pytest.mark.parametrize("seed", range(5) if IS_SOAK else [1])
async def test_changes_of_many_at_once_are_those_of_one_after_the_other(street: Street, seed: int) -> None:
    async with street.database.transaction() as session:
        forms = [Form(value=str(nth), is_tracked=False) for nth in range(3)]
        _, variants = await make_product(session, street.shop.channel_id, "Cup", *forms)
    cart_id = (await edit(street.buyers, "cartCreate"))["cart"]["id"]
    key_of: dict[str, Key] = {}
    done: list[Change] = []
    refused: Counter[str] = Counter()

    async def write(nth: int) -> None:
        chance = random.Random(f"{seed} {nth}")
        seen: list[str] = []
        for turn in range(CHANGES):
            name, given = wish(chance, seen, note=f"{nth} {turn}")
            payload = await change(street, cart_id, name, given)
            if payload["userErrors"]:
                refused.update(codes(payload))
                seen.clear()
                continue
            done.append(Change(name, given, payload["cart"]))
            seen[:] = [line["id"] for line in payload["cart"]["lines"]["nodes"]]
            key_of.update(
                (line["id"], (line["variant"]["id"], bool(line["attributes"])))
                for line in payload["cart"]["lines"]["nodes"]
            )

    def wish(chance: random.Random, seen: list[str], *, note: str) -> tuple[str, Json]:
        names = ["cartLinesAdd", "cartNoteUpdate"] + (["cartLinesUpdate", "cartLinesRemove"] if seen else [])
        name = chance.choices(names, weights=[5, 3, 4, 1][: len(names)])[0]
        line = {
            "variantId": variant(chance.choice(variants)), "quantity": chance.randint(1, 5),
            "attributes": chance.choice([[], ENGRAVED]),
        }  # fmt: skip
        given: dict[str, Json] = {
            "cartLinesAdd": {"lines": [line]},
            "cartNoteUpdate": {"note": note},
            "cartLinesUpdate": {"lines": [{"id": chance.choice(seen or [""]), "quantity": chance.randint(0, 9)}]},
            "cartLinesRemove": {"lineIds": [chance.choice(seen or [""])]},
        }
        return name, given[name]

    await at_once(write(nth) for nth in range(WRITERS))
    found = (await change(street, cart_id, "cartNoteUpdate", {"note": "the end"}))["cart"]

    done.sort(key=lambda change: int(change.cart["version"]))
    model = Model()
    for change_ in done:
        model.apply(change_, key_of)
        assert change_.cart["note"] == model.note
    assert [change_.cart["version"] for change_ in done] == list(range(2, len(done) + 2))
    # A line that somebody else has removed can't be changed any more; nothing else is refused.
    assert set(refused) <= {"NOT_FOUND"}
    assert len(done) + refused.total() == WRITERS * CHANGES
    lines = {key_of[line["id"]]: line["quantity"] for line in found["lines"]["nodes"]}
    assert lines == +model.lines
    assert found["totalQuantity"] == model.lines.total()
    assert found["version"] == len(done) + 2


async def change(street: Street, cart_id: str, name: str, given: Json) -> Json:
    """Change a cart; answer the payload."""
    document = cart_mutation(name).replace("variant { id }", "variant { id } attributes { key value }", 1)
    document = document.replace("totalQuantity", "note totalQuantity", 1)
    payload: Json = (await street.buyers.execute(document, {"input": {"cartId": cart_id, **given}}))[name]
    assert payload["warnings"] == []
    return payload


async def test_every_one_of_fifty_additions_counts_while_the_buyer_is_changed(street: Street) -> None:
    _, (mug,) = await street.offer("Mug of fifty", 1000)
    cart_id = (await edit(street.buyers, "cartCreate"))["cart"]["id"]

    async def add() -> None:
        await edit(street.buyers, "cartLinesAdd", cartId=cart_id, lines=[{"variantId": variant(mug), "quantity": 3}])

    async def introduce(nth: int) -> None:
        identity = {"email": f"marie-{nth}@example.com"}
        await edit(street.buyers, "cartBuyerIdentityUpdate", cartId=cart_id, buyerIdentity=identity)

    # Of more at once than a process has connections for, some would be told that their change can't be shown.
    await at_once((wish for nth in range(50) for wish in (add(), introduce(nth))), most=20)

    document = "query ($id: ID!) { cart(id: $id) { totalQuantity version lines(first: 9) { nodes { quantity } } } }"
    found = await street.buyers.execute(document, {"id": cart_id})
    assert found["cart"] == {"totalQuantity": 150, "version": 101, "lines": {"nodes": [{"quantity": 150}]}}
