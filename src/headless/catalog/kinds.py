"""What can be shown with a product, and what does an address lead to?"""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit

from headless.platform.errors import InvalidInput

LONGEST_URL = 2_048
_PLAYERS = ("youtube.com", "youtu.be", "youtube-nocookie.com", "vimeo.com")
_VIDEOS = (".m4v", ".mov", ".mp4", ".ogv", ".webm")


class MediaKind(StrEnum):
    """What is shown: a picture, a video file, or a video on a platform with a player of its own."""

    IMAGE = "IMAGE"
    VIDEO = "VIDEO"
    EXTERNAL_VIDEO = "EXTERNAL_VIDEO"


class MediaStatus(StrEnum):
    """Whether it can be shown, is being fetched, or could not be."""

    READY = "READY"
    PROCESSING = "PROCESSING"
    FAILED = "FAILED"


def kind_of(url: str) -> MediaKind:
    """What an address seems to lead to."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return MediaKind.IMAGE
    if any(host == player or host.endswith(f".{player}") for player in _PLAYERS):
        return MediaKind.EXTERNAL_VIDEO
    return MediaKind.VIDEO if parts.path.lower().endswith(_VIDEOS) else MediaKind.IMAGE


def is_foreign(url: str) -> bool:
    """Whether a picture lies elsewhere than in the shop's own storage."""
    return url.startswith(("https://", "http://"))


def checked_url(url: str) -> str:
    """Refuse what is no plain address of the web."""
    try:
        parts = urlsplit(url.strip())
        is_plain = parts.scheme in {"https", "http"} and bool(parts.hostname) and "@" not in parts.netloc
        _ = parts.port
    except ValueError:
        is_plain = False
    if not is_plain or len(url) > LONGEST_URL or not url.strip().isprintable() or " " in url.strip():
        message = f"An address begins with https:// and has at most {LONGEST_URL} characters."
        raise InvalidInput(message, field=("url",))
    return url.strip()
