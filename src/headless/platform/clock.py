"""What time is it?"""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)
