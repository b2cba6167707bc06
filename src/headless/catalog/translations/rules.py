"""Which texts of a record can be translated, and what is a well-formed translation?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from headless.catalog.rules import MAX_TITLE, plain_text, sanitize
from headless.platform.errors import InvalidInput

DESCRIPTION = "descriptionHtml"
MAX_SEO = 5_000
MAX_HTML = 500_000
LONGEST = {DESCRIPTION: MAX_HTML, "seoTitle": MAX_SEO, "seoDescription": MAX_SEO}
"""Characters by key; of all others `MAX_TITLE`."""


def option_key(name: str, value: str | None = None) -> str:
    """The key of an option's name, or of one of its values: `options/Color/Red`, as a JSON Pointer (RFC 6901)."""
    return "/".join(("options", *(_escaped(part) for part in (name, value) if part is not None)))


def product_texts(product: Any) -> Mapping[str, str]:
    """The texts of a product by key, as they were written."""
    texts = {
        "title": product.title,
        DESCRIPTION: product.description_html,
        "seoTitle": product.seo_title or "",
        "seoDescription": product.seo_description or "",
    }
    for option in product.options:
        texts[option_key(option["name"])] = option["name"]
        texts.update({option_key(option["name"], value): value for value in option["values"]})
    return texts


def collection_texts(collection: Any) -> Mapping[str, str]:
    """The texts of a collection by key, as they were written."""
    return {"title": collection.title, DESCRIPTION: collection.description_html}


def digest(text: str) -> str:
    """Equal exactly for equal texts: tells whether the source is still what was translated."""
    return sha256(text.encode()).hexdigest()


def checked_value(key: str, value: str, *path: str | int) -> tuple[str, str | None]:
    """A translation as it is kept, and of HTML its words."""
    longest = LONGEST.get(key, MAX_TITLE)
    if len(value) > longest or "\0" in value:
        message = f"A text here has at most {longest} characters."
        raise InvalidInput(message, field=path)
    text = sanitize(value) if key == DESCRIPTION else value.strip()
    if not text.strip():
        message = "A translation has some text. Remove it to show the original again."
        raise InvalidInput(message, field=path)
    return text, plain_text(text) if key == DESCRIPTION else None


def selected(texts: Mapping[str, Any], options: Iterable[Mapping[str, str]]) -> list[tuple[str, str]]:
    """Option values of a variant as translations name them; what has none stays."""
    return [
        (
            texts.get(option_key(option["name"]), option["name"]),
            texts.get(option_key(option["name"], option["value"]), option["value"]),
        )
        for option in options
    ]


def options(texts: Mapping[str, Any], options: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """A product's options as translations name them."""
    return [
        (
            texts.get(option_key(option["name"]), option["name"]),
            [texts.get(option_key(option["name"], value), value) for value in option["values"]],
        )
        for option in options
    ]


def variant_title(texts: Mapping[str, Any], title: str, options: Sequence[Mapping[str, str]]) -> str:
    """A variant's title as its option values make it."""
    return " / ".join(value for _name, value in selected(texts, options)) or title


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
