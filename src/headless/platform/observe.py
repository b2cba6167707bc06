"""How does the server tell its operators what it does?"""

from __future__ import annotations

import logging
import sys

import structlog


def configure(level: str, *, is_terminal: bool | None = None) -> None:
    """Log events to standard error: lines for people on a terminal, JSON elsewhere."""
    pretty = sys.stderr.isatty() if is_terminal is None else is_terminal
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
