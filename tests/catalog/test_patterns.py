"""Do patterns match what a regular expression matches, and never take long?"""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless.catalog.metafields.patterns import MAX_TEXT, BadPattern, Pattern

PIECES = ["a", "b", ".", "[ab]", "[^a]", "[a-c]", r"\d", r"\w", r"\.", "(a|b)", "(?:ab)", "(a*b)", "(a|)"]
REPEATED = ["", "*", "+", "?", "{2}", "{1,}", "{0,2}", "*?"]
PATTERNS = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(REPEATED)), max_size=5).map(
    lambda parts: "".join(piece + repeated for piece, repeated in parts)
)


@given(PATTERNS, st.text("abc1._\n", max_size=8))
def test_matches_what_regular_expressions_match(pattern: str, text: str) -> None:
    assert Pattern(pattern).matches(text) == (re.fullmatch(pattern, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a+)+b", "a" * MAX_TEXT),
        ("(a|a)*b", "a" * MAX_TEXT),
        ("a*a*a*a*a*a*b", "a" * MAX_TEXT),
        ("(.*){20}x", "a" * MAX_TEXT),
        (r"^(\w+\s?)*$", "a" * (MAX_TEXT - 1) + "!"),
    ],
)
def test_patterns_that_explode_elsewhere_end(pattern: str, text: str) -> None:
    assert Pattern(pattern).matches(text) is False


@pytest.mark.parametrize(
    "pattern",
    [
        "(", ")", "a)", "(?=a)", "(?P<n>a)", r"(a)\1", "[a", "[z-a]", "a{", "a{2,1}", "a{9999}", "*a", "a**", "a$b",
        "\\", "a" * 501, "(a{100}){100}", "(" * 21 + "a" + ")" * 21, "]", r"\q", "a{2}{3}",
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        Pattern(pattern)


def test_anchors_at_the_ends_say_what_is_meant_anyway() -> None:
    assert Pattern("^ab$").matches("ab")
    assert not Pattern("^ab$").matches("xab")
    assert Pattern(r"a\$").matches("a$")
    assert not Pattern("a*").matches("a" * (MAX_TEXT + 1))
