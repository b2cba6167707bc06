"""Do ids, money, signatures and refusals keep their promises?"""

import uuid
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless.platform import crypto, ids, money
from headless.platform.errors import InvalidInput, NotFound, Refusal, StaleObject, refusals
from headless.platform.money import MAX_AMOUNT, Money

CODES = {
    "CARD_NUMBER_REFUSED",
    "CART_COMPLETED",
    "CHANGE_FROM_QUANTITY_REQUIRED",
    "CHANGE_FROM_QUANTITY_STALE",
    "CHECKOUT_IN_PROGRESS",
    "CHECKOUT_NOT_STARTED",
    "DELIVERY_ADDRESS_MISSING",
    "DELIVERY_OPTION_MISSING",
    "DELIVERY_OPTION_UNAVAILABLE",
    "EMAIL_MISSING",
    "IDEMPOTENCY_CONCURRENT_REQUEST",
    "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
    "IDEMPOTENCY_KEY_REQUIRED",
    "INVALID_INPUT",
    "INVALID_QUANTITY",
    "NOT_AVAILABLE",
    "NOT_FOUND",
    "NO_LINES",
    "OUT_OF_STOCK",
    "PAYMENT_DECLINED",
    "PAYMENT_FAILED",
    "PRICE_CHANGED",
    "STALE_OBJECT",
    "TAKEN",
}


@pytest.mark.parametrize(
    ("value", "currency", "amount"),
    [
        ("12.90", "EUR", 1290),
        ("12.9", "EUR", 1290),
        ("12", "EUR", 1200),
        ("0", "EUR", 0),
        ("1E+2", "EUR", 10000),
        ("500", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("12.900", "EUR", 1290),
        ("10000000000000.00", "EUR", MAX_AMOUNT),
    ],
)
def test_amounts_are_read_into_minor_units(value: str, currency: str, amount: int) -> None:
    assert money.parse(Decimal(value), currency) == amount


@pytest.mark.parametrize(
    ("value", "currency"),
    [
        ("12.901", "EUR"),
        ("0.5", "JPY"),
        ("-0.01", "EUR"),
        ("NaN", "EUR"),
        ("sNaN", "EUR"),
        ("Infinity", "EUR"),
        ("-Infinity", "EUR"),
        ("10000000000000.01", "EUR"),
        ("1E+999999", "EUR"),
        ("1E-999999", "EUR"),
        ("1", "EURO"),
        ("1", "eur"),
        ("1", ""),
    ],
)
def test_what_is_no_amount_of_the_currency_is_refused(value: str, currency: str) -> None:
    with pytest.raises(InvalidInput):
        money.parse(Decimal(value), currency)


@given(st.integers(0, MAX_AMOUNT), st.sampled_from(["EUR", "JPY", "KWD", "USD", "CLF"]))
def test_written_amounts_read_back_the_same(amount: int, currency: str) -> None:
    assert money.parse(Decimal(str(Money(amount, currency))), currency) == amount


def test_amounts_are_written_with_the_places_of_their_currency() -> None:
    written = [str(Money(amount, currency)) for amount, currency in ((5, "EUR"), (1200, "EUR"), (7, "JPY"), (1, "KWD"))]

    assert written == ["0.05", "12.00", "7", "0.001"]


@given(st.uuids())
def test_ids_read_back_the_same(value: uuid.UUID) -> None:
    text = ids.encode("product", value)

    assert text.startswith("product_")
    assert ids.decode("product", text) == value
    assert ids.split(text) == ("product", value)
    with pytest.raises(NotFound):
        ids.decode("order", text)


@given(st.text(max_size=60))
def test_any_other_text_is_an_id_that_is_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        ids.decode("product", text)


@pytest.mark.parametrize(
    "text",
    [
        "product_",
        "product",
        "_01k5h0000000000000000000000",
        "product_01K5H00000000000000000000",
        "product_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        "product_01k5h000000000000000000ilo",
        "product_01k5h00000000000000000000é",
        "PRODUCT_01k5h0000000000000000000",
        "product_01k5h0000000000000000000000000000",
    ],
)
def test_malformed_ids_are_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        ids.decode("product", text)


def test_new_ids_ascend_and_secrets_do_not_repeat() -> None:
    made = [ids.new() for _ in range(1000)]

    assert made == sorted(made)
    assert len({ids.new_secret() for _ in range(1000)}) == 1000
    assert {ids.new_secret().version, ids.new().version} == {4, 7}


def test_signature_outlives_the_rotation_of_its_secret_and_not_its_removal() -> None:
    old, rotated, new = (crypto.Signer(secrets) for secrets in ((b"old",), (b"new", b"old"), (b"new",)))
    signature = old.sign("order", b"1")

    assert rotated.verify("order", b"1", signature)
    assert not new.verify("order", b"1", signature)
    assert new.verify("order", b"1", rotated.sign("order", b"1"))
    assert not old.verify("order", b"1", rotated.sign("order", b"1"))


def test_signature_is_for_one_purpose_message_and_size() -> None:
    signer = crypto.Signer((b"secret",))
    signature = signer.sign("order", b"1", size=16)

    assert len(signature) == 16
    assert signer.verify("order", b"1", signature, size=16)
    assert not signer.verify("order", b"1", signature)
    assert not signer.verify("order", b"2", signature, size=16)
    assert not signer.verify("cursor", b"1", signature, size=16)
    assert not signer.verify("order", b"1", b"", size=16)
    assert not crypto.Signer(()).verify("order", b"1", signature, size=16)


@given(st.binary(max_size=50))
def test_base64url_reads_back_the_same(data: bytes) -> None:
    text = crypto.b64(data)

    assert "=" not in text
    assert crypto.unb64(text) == data


def test_tokens_are_long_and_kept_only_as_hashes() -> None:
    token = crypto.new_token("hl")

    assert token.startswith("hl_")
    assert len(token) == 46
    assert crypto.digest(token) != crypto.digest(crypto.new_token("hl"))
    assert len(crypto.digest(token)) == 32


def test_codes_are_the_names_of_the_facts_that_stop_us() -> None:
    codes = [kind.code for kind in refusals()]

    assert codes == sorted(codes)
    assert len(set(codes)) == len(codes)
    assert set(codes) >= CODES


def test_every_refusal_says_what_it_means() -> None:
    assert [kind for kind in refusals() if not (kind.__doc__ or "").strip()] == []
    assert [kind for kind in refusals() if not kind().message] == []


def test_refusal_names_its_field_as_texts() -> None:
    refusal: Refusal = StaleObject().at("variants", 3, "expectedVersion")

    assert refusal.field == ("variants", "3", "expectedVersion")
    assert refusal.message == "The record changed since you read it. Read it again and repeat your change."
