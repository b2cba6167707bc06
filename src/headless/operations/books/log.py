"""Is the log of facts complete, so that no consumer misses an event?"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select

from headless.operations.books.check import Check, Severity, Statement, shown
from headless.platform.outbox import facts, log_heads

NUMBERING = timedelta(minutes=1)


def _gaps(_at: datetime) -> Statement:
    """Facts after which one is missing. Counting comes first: only when that fails each fact is asked for its next."""
    c, following = facts.c, facts.alias("following")
    head = select(func.max(log_heads.c.position)).scalar_subquery()
    missing = select(head - func.min(c.position) + 1 - func.count()).where(c.position <= head).scalar_subquery()
    has_next = select(following.c.seq).where(following.c.position == c.position + 1).exists()
    return select(c.id, c.position, c.topic).where(missing != 0, c.position < head, ~has_next)


def _beyond(_at: datetime) -> Statement:
    c = facts.c
    head = select(func.coalesce(func.max(log_heads.c.position), 0)).scalar_subquery()
    return select(c.id, c.position, c.topic).where(c.position > head)


def _unnumbered(at: datetime) -> Statement:
    c = facts.c
    return select(c.id, c.topic, c.occurred_at).where(c.position.is_(None), c.occurred_at < at - NUMBERING)


CHECKS = (
    Check(
        "log_gaps",
        "An event is missing from the log: consumers never heard of a change. "
        "Have them read their records anew, and find out who deleted rows of the table `fact`.",
        Severity.CRITICAL,
        _gaps,
        shown("event", "{topic}: position {position} is not followed by the next"),
    ),
    Check(
        "log_head",
        "An event has a position that was never given out: the next one will be refused and events will stop. "
        "Report it with these ids.",
        Severity.CRITICAL,
        _beyond,
        shown("event", "{topic} at position {position}"),
    ),
    Check(
        "unnumbered_facts",
        "Changes are committed but not announced, so live views, webhooks and e-mail stand still. "
        "Look whether a server or worker runs and what it logs.",
        Severity.CRITICAL,
        _unnumbered,
        shown("event", "{topic} of {occurred_at:%Y-%m-%d %H:%M} UTC"),
    ),
)
