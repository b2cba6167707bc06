"""Which texts may a cart hold, and what would stop its checkout?"""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless.cart import rules
from headless.cart.rules import Line, Offer
from headless.inventory.errors import InvalidQuantity
from headless.platform.errors import InvalidInput
from headless.platform.texts import CardNumberRefused, checked_text

VARIANT, OTHER, RATE = UUID(int=1), UUID(int=2), UUID(int=3)
OFFER = Offer(VARIANT, UUID(int=9), "Mug", "Blue", "MUG", 1290, None, 5)
LINE = Line(UUID(int=21), VARIANT, 2, (), 1290, OFFER)
ADDRESS = {"country_code": "DE", "address1": "Hauptstraße 1", "city": "Berlin"}
READY = {"email": "marie@example.com", "address": ADDRESS, "rate_id": RATE, "rate_ids": [RATE]}


@pytest.mark.parametrize(
    ("changes", "lines", "expected"),
    [
        pytest.param({}, [LINE], [], id="nothing"),
        pytest.param({}, [], [("NO_LINES", None)], id="empty"),
        pytest.param({"email": None}, [LINE], [("EMAIL_MISSING", None)], id="no e-mail"),
        pytest.param({"email": ""}, [LINE], [("EMAIL_MISSING", None)], id="empty e-mail"),
        pytest.param(
            {"address": None, "rate_id": None},
            [LINE],
            [("DELIVERY_ADDRESS_MISSING", None)],
            id="an address comes first",
        ),
        pytest.param(
            {"address": {"country_code": "DE", "address1": "", "city": None}},
            [LINE],
            [("DELIVERY_ADDRESS_MISSING", None)],
            id="an address without street and city",
        ),
        pytest.param({"rate_id": None}, [LINE], [("DELIVERY_OPTION_MISSING", None)], id="no option"),
        pytest.param({"rate_ids": []}, [LINE], [("DELIVERY_OPTION_UNAVAILABLE", None)], id="option not offered"),
        pytest.param({}, [replace(LINE, offer=None)], [("NOT_AVAILABLE", LINE.id)], id="unpublished"),
        pytest.param({}, [replace(LINE, quantity=5)], [], id="all there is"),
        pytest.param({}, [replace(LINE, quantity=6)], [("OUT_OF_STOCK", LINE.id)], id="one too many"),
        pytest.param(
            {}, [replace(LINE, quantity=900, offer=replace(OFFER, quantity=None))], [], id="stock is not tracked"
        ),
        pytest.param({}, [replace(LINE, shown_amount=1)], [("PRICE_CHANGED", LINE.id)], id="other price"),
        pytest.param(
            {},
            [replace(LINE, quantity=3), replace(LINE, id=OTHER, quantity=3)],
            [("OUT_OF_STOCK", OTHER)],
            id="two lines of one variant are summed",
        ),
        pytest.param(
            {"email": None, "address": None},
            [replace(LINE, quantity=6, shown_amount=1)],
            [
                ("EMAIL_MISSING", None),
                ("DELIVERY_ADDRESS_MISSING", None),
                ("OUT_OF_STOCK", LINE.id),
                ("PRICE_CHANGED", LINE.id),
            ],
            id="all at once",
        ),
    ],
)
def test_problems(changes: dict[str, object], lines: list[Line], expected: list[tuple[str, UUID | None]]) -> None:
    arguments = {**READY, **changes}

    found = rules.problems(lines=lines, **arguments)  # type: ignore[arg-type]

    assert [(problem.code, problem.target) for problem in found] == expected


CARDS = ["4111111111111111", "5555 5555 5555 4444", "3782-822463-10005", "6011 0009 9013 9424", "4222222222222"]


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("around", ["{}", "Please charge {}, thanks", "card:{}!", "exp 12/30 {}"])
def test_card_numbers_are_refused(card: str, around: str) -> None:
    with pytest.raises(CardNumberRefused) as caught:
        checked_text(around.format(card), "note")

    assert caught.value.field == ("note",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ring twice",
        "4111111111111112",
        "+49 30 1234567",
        "Order 1001, 2026-03-01",
        "0000000000000000",
        "41111111111111111111111111111111",
        "411111111111",
    ],
)
def test_other_numbers_are_not(text: str) -> None:
    assert checked_text(text, "note") == text


@pytest.mark.parametrize("text", ["x" * 5001, "a\0b"])
def test_unfit_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        checked_text(text, "note")


@pytest.mark.parametrize("email", ["marie@example.com", " marie@example.com ", "a.b+c@sub.example.co", "ü@exämple.de"])
def test_addresses_of_mail_are_kept(email: str) -> None:
    assert rules.checked_email(email) == email.strip()


@pytest.mark.parametrize(
    "email",
    ["", "marie", "marie@", "@example.com", "marie@example", "a b@example.com", "a@b@example.com", "a\n@example.com",
     "a@example.com\nBcc: b@example.com", "x" * 65 + "@example.com", "a@" + "x" * 250 + ".com"],
)  # fmt: skip
def test_what_is_no_address_of_mail_is_refused(email: str) -> None:
    with pytest.raises(InvalidInput):
        rules.checked_email(email)


@pytest.mark.parametrize(("quantity", "least"), [(0, 1), (-1, 1), (-1, 0), (100_001, 1)])
def test_quantities_out_of_range_are_refused(quantity: int, least: int) -> None:
    with pytest.raises(InvalidQuantity):
        rules.checked_quantity(quantity, "lines", 0, "quantity", least=least)


@pytest.mark.parametrize(
    "attributes",
    [[("", "x")], [(" ", "x")], [("a", "1"), ("a", "2")], [("a", "1"), (" a", "2")], [("k" * 256, "x")],
     [(str(nth), "x") for nth in range(51)], [("card", "4111 1111 1111 1111")], [("4111111111111111", "x")]],
)  # fmt: skip
def test_unfit_attributes_are_refused(attributes: list[tuple[str, str]]) -> None:
    with pytest.raises((InvalidInput, CardNumberRefused)):
        rules.checked_attributes(attributes, "attributes")


@given(st.dictionaries(st.text("abc=,", min_size=1), st.text("abc=,")))
def test_order_of_attributes_makes_no_difference(attributes: dict[str, str]) -> None:
    pairs = tuple(attributes.items())

    assert rules.attributes_key(pairs) == rules.attributes_key(pairs[::-1])


words = st.text("abc=,:; ", max_size=3)
some_attributes = st.dictionaries(words, words, max_size=3).map(lambda found: tuple(sorted(found.items())))


@given(some_attributes, some_attributes)
def test_different_attributes_have_different_keys(
    one: tuple[tuple[str, str], ...], other: tuple[tuple[str, str], ...]
) -> None:
    assert (rules.attributes_key(one) == rules.attributes_key(other)) == (one == other)


@given(st.none() | st.integers(-5, 10), st.integers(0, 20))
def test_offer_grants_no_more_than_there_is(quantity: int | None, wanted: int) -> None:
    granted = replace(OFFER, quantity=quantity).grants(wanted)

    assert 0 <= granted <= wanted
    assert granted == wanted or granted == max(quantity or 0, 0)
