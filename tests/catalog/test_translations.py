"""In which language is a text shown, and what is a well-formed translation?"""

from types import SimpleNamespace

import pytest

from headless.catalog.translations import rules
from headless.platform.errors import InvalidInput
from headless.shop.rules import fallbacks, normal_language


@pytest.mark.parametrize(
    ("wanted", "channel", "source", "tried"),
    [
        (None, "en", "en", ()),
        ("EN", "en", "en", ()),
        ("en-GB", "en", "en", ("en-GB",)),
        ("de", "en", "en", ("de",)),
        ("DE_AT", "en", "en", ("de-AT", "de")),
        ("de-AT", "fr-CA", "en", ("de-AT", "de", "fr-CA", "fr")),
        (None, "de-AT", "en", ("de-AT", "de")),
        ("fr", "de", "de", ("fr",)),
        ("de-AT", "de", "fr", ("de-AT", "de")),
        ("en", "de", "en-US", ("en", "de")),
        ("zh-hant-tw", "en", "en", ("zh-Hant-TW", "zh-Hant", "zh")),
        ("x" * 3 + "-abcdefgh" * 5_000, "en", "en", ()),
    ],
)
def test_languages_are_tried_from_the_closest_to_that_of_the_texts(
    wanted: str | None, channel: str, source: str, tried: tuple[str, ...]
) -> None:
    assert fallbacks(wanted, channel=channel, source=source) == tried


@pytest.mark.parametrize(
    ("given", "kept"), [("DE", "de"), ("pt_br", "pt-BR"), ("zh-HANT-tw", "zh-Hant-TW"), ("sl-ROZAJ", "sl-rozaj")]
)
def test_languages_are_written_as_bcp_47_recommends(given: str, kept: str) -> None:
    assert normal_language(given) == kept


def test_options_have_keys_that_no_name_can_confuse() -> None:
    product = SimpleNamespace(
        title="T", description_html="", seo_title=None, seo_description="D",
        options=[{"name": "a/b", "values": ["c", "~1"]}, {"name": "a", "values": ["b/c"]}],
    )  # fmt: skip

    assert rules.product_texts(product) == {
        "title": "T", "descriptionHtml": "", "seoTitle": "", "seoDescription": "D", "options/a~1b": "a/b",
        "options/a~1b/c": "c", "options/a~1b/~01": "~1", "options/a": "a", "options/a/b~1c": "b/c",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("title", " Tasse ", ("Tasse", None)),
        ("descriptionHtml", "<p>Gut<script>x()</script></p>", ("<p>Gut</p>", "Gut")),
        ("options/Size/S", "klein", ("klein", None)),
    ],
)
def test_translation_is_kept_clean(key: str, value: str, kept: tuple[str, str | None]) -> None:
    assert rules.checked_value(key, value) == kept


@pytest.mark.parametrize(
    ("key", "value"),
    [("title", ""), ("title", "  "), ("title", "x" * 256), ("title", "\0"), ("descriptionHtml", "<script>1</script>"),
     ("seoTitle", "x" * 5_001), ("descriptionHtml", "x" * 500_001), ("options/Size", "x" * 256)],
)  # fmt: skip
def test_empty_and_overlong_translations_are_refused(key: str, value: str) -> None:
    with pytest.raises(InvalidInput):
        rules.checked_value(key, value, "here")
