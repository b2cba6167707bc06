"""What does a history say of two states, and in which words?"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from headless.catalog.models import ProductStatus
from headless.teamwork.rules import Change, Revised, api_name, differences, folded, plain, stale_message

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def revised(version: int, actor: str, *changes: Change) -> Revised:
    return Revised(version, actor, AT, changes)


def test_values_are_kept_as_json_holds_them() -> None:
    value = {"a": (ProductStatus.DRAFT, AT, UUID(int=7), Decimal("1.50"), None, True, 3)}

    assert plain(value) == {
        "a": ["DRAFT", "2026-01-31T12:00:00+00:00", "00000000-0000-0000-0000-000000000007", "1.50", None, True, 3]
    }


def test_only_what_differs_is_a_change() -> None:
    row = SimpleNamespace(title="Mug", tags=["a"], status="DRAFT", title_key="mug")

    found = differences(
        row,
        {"title": "Mug", "tags": ("a", "b"), "status": ProductStatus.ACTIVE, "title_key": "x"},
        without={"title_key"},
    )

    assert found == [Change("tags", ["a"], ["a", "b"]), Change("status", "DRAFT", "ACTIVE")]


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 3), min_size=1), max_size=8))
def test_folded_history_leads_from_the_first_state_to_the_last(writes: list[Mapping[str, int]]) -> None:
    first = {"a": 0, "b": 0, "c": 0}
    state, history = dict(first), []
    for version, write in enumerate(writes, start=2):
        row = SimpleNamespace(**state)
        history.append(revised(version, "ann", *differences(row, write)))
        state |= write

    found = folded(history)

    assert {name: change.after for name, change in found.items()} == {
        name: value for name, value in state.items() if first[name] != value
    }
    assert {**state, **{name: change.before for name, change in found.items()}} == first


def test_refusal_tells_who_changed_what_when() -> None:
    history = [
        revised(4, "ann", Change("title", "Mug", "Big Mug"), Change("seo_title", None, "Mugs")),
        revised(5, "bob", Change("description_html", "", "x" * 100)),
        revised(6, "bob"),
    ]

    message = stale_message(3, 6, history, changed_by="bob", changed_at=AT)

    assert message == (
        "You saw version 3; it is now version 6: "
        'ann changed title from "Mug" to "Big Mug", seo.title from null to "Mugs" at 2026-01-31T12:00:00+00:00; '
        f'bob changed descriptionHtml from "" to "{"x" * 58}… at 2026-01-31T12:00:00+00:00; '
        "bob changed no field at 2026-01-31T12:00:00+00:00. Read it again and repeat your change."
    )


def test_long_history_is_told_from_its_end() -> None:
    history = [revised(version, f"a{version}", Change("title", "x", "y")) for version in range(2, 10)]

    message = stale_message(1, 9, history, changed_by="a9", changed_at=AT)

    assert "version 9: 3 earlier changes; a5 changed" in message
    assert "a4" not in message


def test_without_a_history_the_last_writer_is_told() -> None:
    message = stale_message(9, 2, [], changed_by="ann", changed_at=AT)

    assert message == (
        "You saw version 9; it is now version 2: last changed by ann at 2026-01-31T12:00:00+00:00. "
        "Read it again and repeat your change."
    )


def test_columns_have_the_names_of_the_api() -> None:
    names = ["title", "description_html", "seo_title", "is_tracked", "price.my_shop", "compare_at_price.eu"]

    assert [api_name(name) for name in names] == [
        "title", "descriptionHtml", "seo.title", "tracked", "price.my_shop", "compareAtPrice.eu",
    ]  # fmt: skip
