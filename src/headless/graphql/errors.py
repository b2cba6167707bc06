"""How does what stops an operation reach the client?"""

import enum
import uuid
from typing import Any

import strawberry
import structlog
from graphql import GraphQLError, GraphQLSyntaxError

from headless.cart import errors as _cart
from headless.catalog import errors as _catalog
from headless.checkout import errors as _checkout
from headless.graphql.revisions import Revision, revision
from headless.inventory import errors as _inventory
from headless.orders import errors as _orders
from headless.payments import errors as _payments
from headless.platform.errors import Fault, Refusal, StaleObject, refusals
from headless.shop import errors as _shop
from headless.teamwork import errors as _teamwork
from headless.teamwork.rules import Revised

log = structlog.get_logger(__name__)

REFUSALS = (_cart, _catalog, _checkout, _inventory, _orders, _payments, _shop, _teamwork)
"""Imported so that every refusal is known when the enum is made."""

MOST_ERRORS = 10


def _first_sentence(kind: type[Refusal]) -> str:
    return " ".join((kind.__doc__ or "").split())


_CODES = {kind.code: kind.code for kind in refusals()}
_codes: Any = enum.Enum("ErrorCode", _CODES)  # type: ignore[misc]  # made of the refusals
ErrorCode: Any = strawberry.enum(_codes, description="Why a mutation was refused.")
for _kind, _value in zip(refusals(), ErrorCode.__strawberry_definition__.values, strict=True):
    _value.description = _first_sentence(_kind)


@strawberry.type(description="Why a mutation was refused, and which part of its input is meant.")
class UserError:
    code: ErrorCode
    field: list[str] | None = strawberry.field(description="The path inside the input, list indices as strings.")
    message: str = strawberry.field(description="What happened and what to do, for people.")
    revisions: list[Revision] | None = strawberry.field(
        default=None, description="With STALE_OBJECT: the newest changes since the version that you saw."
    )


def user_error(refusal: Refusal) -> UserError:
    return UserError(
        code=ErrorCode[refusal.code],
        field=list(refusal.field) if refusal.field is not None else None,
        message=refusal.message,
        revisions=_revisions(refusal) if isinstance(refusal, StaleObject) else None,
    )


def _revisions(refusal: StaleObject) -> list[Revision] | None:
    return [revision(one) for one in refusal.revisions if isinstance(one, Revised)] or None


def formatted(error: GraphQLError, *, request_id: str) -> dict[str, Any]:
    """An error as clients see it: always with a code; what nobody foresaw is masked and logged."""
    shown = error.formatted
    cause = cause_of(error)
    code = error.extensions.get("code") if error.extensions else None
    if isinstance(cause, Fault | Refusal):
        code = cause.code
    elif isinstance(error, GraphQLSyntaxError):
        code = "GRAPHQL_PARSE_FAILED"
    elif cause is not None and not isinstance(cause, GraphQLError):
        log.error("unexpected_error", request_id=request_id, path=error.path, exc_info=cause)
        return {
            "message": "Something went wrong on our side. Tell us the requestId if it happens again.",
            **({"path": shown["path"]} if shown.get("path") else {}),
            "extensions": {"code": "INTERNAL_SERVER_ERROR", "requestId": request_id},
        }
    return {
        "message": error.message,
        **({"locations": shown["locations"]} if shown.get("locations") else {}),
        **({"path": shown["path"]} if shown.get("path") else {}),
        "extensions": {"code": code or "BAD_USER_INPUT"},
    }


def cause_of(error: GraphQLError) -> Exception | None:
    """What was raised in the first place."""
    cause = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def of_fault(fault: Fault) -> dict[str, Any]:
    return {"message": fault.message, "extensions": {"code": fault.code}}


def new_request_id() -> str:
    return uuid.uuid4().hex
