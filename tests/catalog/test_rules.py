"""What makes a product well-formed, findable and sortable?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless.catalog import rules
from headless.catalog.rules import HANDLE, Option
from headless.platform.errors import InvalidInput

SIZE = Option("Size", ("S", "M"))
COLOR = Option("Color", ("Red",))


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  Blue   Mug ", "blue mug"),
        ("ÉCLAIR", "eclair"),
        ("Straße", "strasse"),
        ("Smørrebrød", "smorrebrod"),
        ("Łódź", "lodz"),
        ("Ångström", "angstrom"),
        ("Æon Œuvre", "aeon oeuvre"),
        ("東京", "東京"),
        ("", ""),
    ],
)
def test_texts_are_folded_for_search_and_sorting(text: str, folded: str) -> None:
    assert rules.fold(text) == folded


@given(st.text())
def test_folding_again_changes_nothing(text: str) -> None:
    assert rules.fold(rules.fold(text)) == rules.fold(text)


@pytest.mark.parametrize(
    ("title", "handle"),
    [
        ("Blue Mug", "blue-mug"),
        ("  100 % Öl! ", "100-ol"),
        ("東京", "product"),
        ("---", "product"),
        ("a" * 300, "a" * 255),
    ],
)
def test_handles_are_made_from_titles(title: str, handle: str) -> None:
    assert rules.slug(title) == handle


@given(st.text())
def test_handle_of_any_title_is_well_formed(title: str) -> None:
    assert rules.checked_handle(rules.slug(title)) == rules.slug(title)
    assert HANDLE.fullmatch(rules.slug(title))


@pytest.mark.parametrize("handle", ["", "Mug", "blue mug", "-mug", "mug-", "a--b", "müg", "a" * 256, "mug\n"])
def test_malformed_handles_are_refused(handle: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        rules.checked_handle(handle)

    assert caught.value.field == ("handle",)


@pytest.mark.parametrize("title", ["", "   ", "x" * 256, "a\0b"])
def test_malformed_titles_are_refused(title: str) -> None:
    with pytest.raises(InvalidInput):
        rules.checked_title(title)


@pytest.mark.parametrize(
    ("markup", "clean"),
    [
        ("<p>Hi</p>", "<p>Hi</p>"),
        ("<p onclick=alert(1)>Hi</p>", "<p>Hi</p>"),
        ("<script>alert(1)</script>Hi", "Hi"),
        ('<a href="javascript:alert(1)">x</a>', '<a rel="noopener noreferrer">x</a>'),
        ("<img src=x onerror=alert(1)>", '<img src="x">'),
    ],
)
def test_merchants_markup_is_made_harmless(markup: str, clean: str) -> None:
    assert rules.sanitize(markup) == clean


def test_words_of_a_markup_stay_apart() -> None:
    assert rules.plain_text("<p>One&amp;only</p><p>Two<br>Three</p><ul><li>Four</li></ul>") == "One&only Two Three Four"


def test_options_are_trimmed() -> None:
    assert rules.checked_options([Option(" Size ", (" S", "M "))]) == (SIZE,)


@pytest.mark.parametrize(
    "options",
    [
        [Option("", ("S",))],
        [Option("Size", ())],
        [Option("Size", ("S", " "))],
        [Option("Size", ("S", "S "))],
        [SIZE, Option("Size ", ("L",))],
        [Option(str(nth), ("x",)) for nth in range(6)],
    ],
)
def test_malformed_options_are_refused(options: list[Option]) -> None:
    with pytest.raises(InvalidInput):
        rules.checked_options(options)


def test_selection_is_brought_into_the_order_of_the_options() -> None:
    selected = rules.checked_selection([SIZE, COLOR], [("Color", " Blue "), ("Size", "S")])

    assert selected == (("Size", "S"), ("Color", "Blue"))
    assert rules.variant_title(selected) == "S / Blue"
    assert rules.variant_title(()) == "Default Title"


@pytest.mark.parametrize(
    "selected",
    [
        (),
        (("Size", "S"),),
        (("Size", "S"), ("Color", "")),
        (("Size", "S"), ("Size", "M"), ("Color", "Red")),
        (("Size", "S"), ("Color", "Red"), ("Form", "Round")),
    ],
)
def test_incomplete_selections_are_refused(selected: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(InvalidInput):
        rules.checked_selection([SIZE, COLOR], selected)


def test_options_grow_by_new_values_in_their_order() -> None:
    grown = rules.with_values([SIZE, COLOR], [(("Size", "L"), ("Color", "Red")), (("Size", "S"), ("Color", "Blue"))])

    assert grown == (Option("Size", ("S", "M", "L")), Option("Color", ("Red", "Blue")))


def test_tags_are_trimmed_and_stand_once() -> None:
    assert rules.normal_tags([" new ", "sale", "", "new"]) == ["new", "sale"]
