"""What does a history say of two states, and what is a page told that it lacks?"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless.catalog.models import ProductStatus
from headless.platform.errors import InvalidInput
from headless.teamwork.rules import (
    Change,
    ChecklistItemKind,
    Item,
    PageFacts,
    Revised,
    Tick,
    answer,
    api_name,
    checked_item,
    differences,
    folded,
    plain,
    score,
    stale_message,
    with_advice,
)

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


READY = PageFacts(
    pictures=2, description_length=200, has_seo_title=True, has_seo_description=True, variants=1
)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "lacking", "hint"),
    [
        ("IMAGE_PRESENT", {"pictures": 0}, "Add a picture."),
        ("ALT_TEXTS", {"undescribed_pictures": 2}, "Write the missing alt texts of pictures: 2."),
        ("PRICE_IN_EVERY_CHANNEL", {"unpriced_channels": ("eu", "us")}, "Give every variant a price in: eu, us."),
        ("PRICE_IN_EVERY_CHANNEL", {"variants": 0}, "Give every variant a price in: every channel."),
        ("DESCRIPTION_LONGER_THAN", {"description_length": 9}, "Describe it in more than 150 characters; there are 9."),
        ("SEO_SET", {"has_seo_title": False}, "Write a title and a description for search engines."),
        ("SEO_SET", {"has_seo_description": False}, "Write a title and a description for search engines."),
        ("STOCK_TRACKED", {"untracked_variants": 1}, "Track the stock of all variants; untracked ones: 1."),
        ("STOCK_TRACKED", {"variants": 0}, "Track the stock of all variants; untracked ones: 0."),
    ],
)  # fmt: skip
def test_page_is_told_what_it_lacks(kind: str, lacking: dict[str, Any], hint: str) -> None:
    item = Item(ChecklistItemKind(kind), "x", 150)

    assert answer(item, READY).hint is None
    assert answer(item, replace(READY, **lacking)).hint == hint


def test_manual_item_is_met_once_ticked() -> None:
    item = Item(ChecklistItemKind.MANUAL, "Weigh it")

    assert answer(item, READY).hint == "Do it, then tick it."
    assert answer(item, PageFacts(), Tick("ann", AT)).is_met


def test_what_the_checklist_does_not_ask_for_is_advice() -> None:
    asked = [Item(ChecklistItemKind.SEO_SET, "SEO", is_required=True, id=UUID(int=1))]

    found = with_advice(asked)

    assert found[0] is asked[0]
    assert sorted(item.kind for item in found) == sorted(set(ChecklistItemKind) - {ChecklistItemKind.MANUAL})
    assert not any(item.is_required or item.id for item in found[1:])


def test_score_is_the_part_that_is_met() -> None:
    answers = [answer(item, replace(READY, pictures=0)) for item in with_advice([])]

    assert score(answers) == 83
    assert score([answer(item, READY) for item in with_advice([])]) == 100
    assert score([]) == 100


@pytest.mark.parametrize(
    ("kind", "title", "parameter", "field"),
    [
        ("MANUAL", None, None, "title"),
        ("MANUAL", "  ", None, "title"),
        ("MANUAL", "x" * 256, None, "title"),
        ("MANUAL", "x", 3, "parameter"),
        ("SEO_SET", None, 0, "parameter"),
        ("DESCRIPTION_LONGER_THAN", None, None, "parameter"),
        ("DESCRIPTION_LONGER_THAN", None, 0, "parameter"),
        ("DESCRIPTION_LONGER_THAN", None, 100_001, "parameter"),
    ],
)
def test_bad_item_is_refused(kind: str, title: str | None, parameter: int | None, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked_item(ChecklistItemKind(kind), title, parameter)

    assert caught.value.field == (field,)


def test_item_without_a_title_gets_the_usual_one() -> None:
    assert checked_item(ChecklistItemKind.IMAGE_PRESENT, None, None) == ("It has a picture", None)
    assert checked_item(ChecklistItemKind.DESCRIPTION_LONGER_THAN, " Long ", 5) == ("Long", 5)
