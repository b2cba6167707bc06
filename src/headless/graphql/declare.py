"""How is a GraphQL type written, so that it reads like the SDL it makes?"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from enum import Enum
from typing import Any, Final, TypeVar, dataclass_transform, get_args, overload

import strawberry
from sqlmodel import SQLModel

from headless.accounts.rules import Permission
from headless.graphql.context import Context
from headless.graphql.errors import UserError, user_error
from headless.platform import ids
from headless.platform.db import SerializationFailure
from headless.platform.errors import Forbidden, NotFound, Refusal, Refused, Unauthenticated

T = TypeVar("T")


class Signed(Enum):
    """The type of `STAFF`."""

    IN = "IN"


Requirement = Permission | Signed | None
PUBLIC: Requirement = None
"""Whoever reaches the field may have it; which objects are reached is the queries' business."""

STAFF: Final = Signed.IN
"""Whoever is signed in: what more it takes depends on the record that is named, and the resolver asks for it."""

DECLARED: dict[str, Requirement] = {}
"""Every field of a root type with what it requires: one that isn't here fails the schema's tests."""


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def view(model: type[SQLModel] | None = None) -> Callable[[type[T]], type[T]]:
    """Make a GraphQL type over rows. Its plain fields must be columns of the table, or this fails at import."""

    def declare(cls: type[T]) -> type[T]:
        if model is not None:
            _check_columns(cls, model)
        made: type[T] = strawberry.type(cls, description=_text(cls))
        return made

    return declare


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def payload(cls: type[T]) -> type[T]:
    """Make a mutation's payload: its fields are null or empty when the mutation was refused."""
    made: type[T] = strawberry.type(cls, description=_text(cls))
    return made


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def input_type(cls: type[T]) -> type[T]:
    made: type[T] = strawberry.input(cls, description=_text(cls))
    return made


@overload
def field(resolver: Callable[..., Any]) -> Any: ...
@overload
def field(*, requires: Requirement) -> Callable[[Callable[..., Any]], Any]: ...
def field(resolver: Callable[..., Any] | None = None, *, requires: Requirement = PUBLIC) -> Any:
    """Make a field of a resolver; its docstring is the schema's description."""

    def declare(function: Callable[..., Any]) -> Any:
        guarded = _guarded(function, requires) if requires is not PUBLIC else function
        return strawberry.field(guarded, description=_text(function))

    return declare(resolver) if resolver is not None else declare


def query(*, requires: Requirement) -> Callable[[Callable[..., Any]], Any]:
    """Make a root query field; a refusal becomes a top-level error and null."""

    def declare(function: Callable[..., Any]) -> Any:
        DECLARED[f"Query.{_camel(function.__name__)}"] = requires
        return strawberry.field(_guarded(function, requires), description=_text(function))

    return declare


def subscription(*, requires: Requirement) -> Callable[[Callable[..., Any]], Any]:
    """Make a subscription field of an async generator of events."""

    def declare(function: Callable[..., Any]) -> Any:
        DECLARED[f"Subscription.{_camel(function.__name__)}"] = requires

        @functools.wraps(function)
        async def generate(*args: Any, **kwargs: Any) -> Any:
            check(_context(args, kwargs), requires)
            async with aclosing(function(*args, **kwargs)) as events:
                async for event in events:
                    yield event

        return strawberry.subscription(generate, description=_text(function))

    return declare


def mutation(*, requires: Requirement) -> Callable[[Callable[..., Any]], Any]:
    """Make a mutation field. What the shop refuses becomes the payload's userErrors; races are tried once more."""

    def declare(function: Callable[..., Awaitable[Any]]) -> Any:
        DECLARED[f"Mutation.{_camel(function.__name__)}"] = requires
        made = next(kind for kind in get_args(inspect.signature(function).return_annotation) if kind is not type(None))

        @functools.wraps(function)
        async def resolve(*args: Any, **kwargs: Any) -> Any:
            context = _context(args, kwargs)
            check(context, requires)
            try:
                try:
                    return await function(*args, **kwargs)
                except SerializationFailure:
                    context.forget()
                    return await function(*args, **kwargs)
            except Refusal as refusal:
                return made(user_errors=[user_error(refusal)])
            except Refused as refused:
                return made(user_errors=[user_error(refusal) for refusal in refused.refusals])

        return strawberry.mutation(resolve, description=_text(function))

    return declare


def errors() -> list[UserError]:
    """The default of every payload's userErrors."""
    return []


def check(context: Context, requires: Requirement) -> None:
    """Raise `Unauthenticated` or `Forbidden` when the actor may not."""
    if requires is None:
        return
    if context.actor.is_anonymous:
        raise Unauthenticated
    if isinstance(requires, Permission) and not context.actor.may(requires):
        message = f"This needs the permission {requires.value}."
        raise Forbidden(message)


def id_of(prefix: str) -> Any:
    """The `id` field of a type."""

    def resolve(self: Any) -> strawberry.ID:
        return strawberry.ID(ids.encode(prefix, self.id))

    return strawberry.field(resolve, description="Opaque and stable.")


def decoded(prefix: str, value: str, *path: str | int) -> Any:
    """The UUID inside an id of the input; raises `NotFound` at its path."""
    try:
        return ids.decode(prefix, value)
    except NotFound:
        raise NotFound(field=path) from None


def decoded_all(prefix: str, values: Sequence[str], *path: str | int) -> list[Any]:
    return [decoded(prefix, value, *path, index) for index, value in enumerate(values)]


def _guarded(function: Callable[..., Any], requires: Requirement) -> Callable[..., Any]:
    if requires is PUBLIC:
        return function

    @functools.wraps(function)
    async def resolve(*args: Any, **kwargs: Any) -> Any:
        check(_context(args, kwargs), requires)
        return await function(*args, **kwargs)

    return resolve


def _context(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Context:
    info = kwargs.get("info") or next(arg for arg in args if isinstance(arg, strawberry.Info))
    context: Context = info.context
    return context


def _check_columns(cls: type, model: type[SQLModel]) -> None:
    for name in inspect.get_annotations(cls):
        if (
            not isinstance(cls.__dict__.get(name), strawberry.types.field.StrawberryField)
            and name not in model.model_fields
        ):
            message = f"{cls.__name__}.{name} is no column of {model.__name__}"
            raise TypeError(message)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _text(thing: Any) -> str | None:
    return inspect.getdoc(thing) if thing.__doc__ else None
