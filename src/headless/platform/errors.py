"""What can stop an operation, and how are people told?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar, Self
from uuid import UUID

Path = tuple[str, ...]


def _code(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


class Refusal(Exception):
    """A rule of the shop says no. The class name is the API's error code, the docstring its description."""

    code: ClassVar[str]
    default: ClassVar[str] = ""

    def __init__(self, message: str = "", *, field: Sequence[str | int] | None = None) -> None:
        self.message = message or self.default or (self.__doc__ or "").strip()
        self.field: Path | None = tuple(str(part) for part in field) if field is not None else None
        self.target: UUID | None = None
        """The line or record that is meant, where there is no input field."""
        super().__init__(self.message)

    def __init_subclass__(cls) -> None:
        cls.code = _code(cls.__name__)

    def at(self, *field: str | int) -> Self:
        """Say which input field is meant."""
        self.field = tuple(str(part) for part in field)
        return self


class Refused(Exception):
    """Several refusals at once."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        super().__init__("; ".join(refusal.message for refusal in refusals))


class Fault(Exception):
    """Client or server is at fault: a top-level error, never a userError."""

    code: ClassVar[str]
    default: ClassVar[str] = ""

    def __init__(self, message: str = "") -> None:
        self.message = message or self.default
        super().__init__(self.message)

    def __init_subclass__(cls) -> None:
        cls.code = _code(cls.__name__)


class NotFound(Refusal):
    """Nothing visible to you has this id."""

    default = "Nothing that you may see has this id. Check the id and who you are signed in as."


class InvalidInput(Refusal):
    """A value is malformed or out of its range."""


class Taken(Refusal):
    """Another record already has this unique value."""


class StaleObject(Refusal):
    """The record changed since you read it. Read it again and repeat your change."""

    revisions: Sequence[object] = ()
    """What was changed since, where a history is kept."""


class IdempotencyKeyRequired(Refusal):
    """This mutation moves money or stock: send an idempotencyKey of your making, the same one on every retry."""


class IdempotencyKeyParameterMismatch(Refusal):
    """This idempotencyKey was used before with other arguments."""


class IdempotencyConcurrentRequest(Refusal):
    """A request with this idempotencyKey is still running. Retry in a moment with the same key."""


class BadUserInput(Fault):
    """An argument can't be understood."""


class Unauthenticated(Fault):
    """Nobody is signed in."""

    default = "Sign in first: send `Authorization: Bearer <token>`."


class Forbidden(Fault):
    """The caller may not do this."""


class Conflict(Fault):
    """The database gave up on this operation twice because of concurrent ones."""

    default = "Too many changes at the same time. Nothing was changed; try again."


class Unavailable(Fault):
    """The server is too busy or its database can't be reached."""

    default = "The server is busy. Nothing was changed; try again in a moment."


class ResyncRequired(Fault):
    """The cursor is too old, foreign or malformed: read the current state and subscribe without `after`."""

    default = "This cursor can't be resumed. Read the current state and subscribe again without `after`."


def refusals() -> Iterator[type[Refusal]]:
    """Every kind of refusal that is defined, sorted by code."""

    def below(kind: type[Refusal]) -> Iterator[type[Refusal]]:
        for sub in kind.__subclasses__():
            yield sub
            yield from below(sub)

    yield from sorted(below(Refusal), key=lambda kind: kind.code)
