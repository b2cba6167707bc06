"""How do texts in other languages look in the API, and how do staff write them?"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import strawberry

from headless.accounts.rules import Permission
from headless.catalog.translations import queries, service
from headless.catalog.translations.models import TRANSLATIONS
from headless.catalog.translations.service import Wish
from headless.graphql.context import Context, Info
from headless.graphql.declare import errors, field, input_type, mutation, payload
from headless.graphql.errors import UserError
from headless.graphql.scalars import LanguageCode
from headless.platform import ids
from headless.platform.errors import InvalidInput, NotFound
from headless.platform.loaders import then
from headless.shop.rules import normal_language


@strawberry.type(description="A text in another language.")
class Translation:
    key: str = strawberry.field(
        description="Which text: `title`, `descriptionHtml`, `seoTitle`, `seoDescription`, `options/Color`, "
        "`options/Color/Red` (in names, ~ is written ~0 and / ~1)."
    )
    locale: LanguageCode
    value: str
    updated_at: datetime

    @field
    def outdated(self: queries.Translation) -> bool:
        """Whether the original text was changed since, or is gone."""
        return self.is_outdated


@input_type
class TranslationInput:
    """A text in another language."""

    locale: LanguageCode
    key: str
    value: str


@input_type
class TranslationsRegisterInput:
    """Texts of a product or collection in other languages."""

    resource_id: strawberry.ID
    translations: list[TranslationInput]


@input_type
class TranslationsRemoveInput:
    """Which translations of a product or collection are removed: of these texts, in these languages."""

    resource_id: strawberry.ID
    translation_keys: list[str]
    locales: list[LanguageCode]


@payload
class TranslationsRegisterPayload:
    """The translations as they are now, of the languages that were written."""

    translations: list[Translation] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class TranslationsRemovePayload:
    """What was removed."""

    translations: list[Translation] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@strawberry.type
class TranslationMutations:
    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def translations_register(
        self, info: Info, input: TranslationsRegisterInput
    ) -> TranslationsRegisterPayload | None:
        """Say what texts of a product or collection are in other languages; HTML is sanitized."""
        context = info.context
        owner_type, owner_id = _owner(input.resource_id)
        wishes = [Wish(one.locale, one.key, one.value) for one in input.translations]
        async with context.transaction() as session:
            await service.register(session, owner_type, owner_id, wishes, actor=context.actor.name)
        found: list[queries.Translation] = []
        for locale in sorted({normal_language(wish.locale) for wish in wishes}):
            found += await context.load(queries.translations_by_owner, owner_id, owner_type, locale) or []
        return TranslationsRegisterPayload(translations=cast("list[Translation]", found))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def translations_remove(self, info: Info, input: TranslationsRemoveInput) -> TranslationsRemovePayload | None:
        """Show the original texts again."""
        context = info.context
        owner_type, owner_id = _owner(input.resource_id)
        async with context.transaction() as session:
            gone = await service.remove(
                session,
                owner_type,
                owner_id,
                keys=_bounded(input.translation_keys, "translationKeys"),
                locales=_bounded(input.locales, "locales"),
                actor=context.actor.name,
            )
        return TranslationsRemovePayload(
            translations=cast(
                "list[Translation]",
                [queries.Translation(row.locale, row.key, row.value, row.updated_at, is_outdated=True) for row in gone],
            )
        )


def translations_of(owner_type: str) -> Any:
    """Make the field that shows staff a record's translations."""

    @field(requires=Permission.READ_PRODUCTS)
    async def translations(self: Any, info: Info, locale: LanguageCode) -> list[Translation] | None:
        """What was translated into exactly this language."""
        found: list[Translation] | None = await info.context.load(
            queries.translations_by_owner, self.id, owner_type, normal_language(locale)
        )
        return found or []

    return translations


def texts(context: Context, owner_type: str, owner_id: UUID, use: Callable[[Any], Any]) -> Any:
    """Go on with the texts of a record in the operation's languages, by key; none when its own are wanted.

    Awaitable where they aren't known yet.
    """
    languages = context.languages()

    def in_languages(languages: tuple[str, ...]) -> Any:
        if not languages:
            return use({})
        found = context.loaders.load(queries.texts_by_owner, owner_id, owner_type, languages)
        return then(found, lambda texts: use(texts or {}))

    return in_languages(languages) if isinstance(languages, tuple) else then(languages, in_languages)


def text(context: Context, owner_type: str, row: Any, key: str, original: str | None) -> Any:
    """A text of a record in the operation's languages, else the original."""
    if context.is_spoken_as_written:
        return original
    return texts(context, owner_type, row.id, lambda texts: texts.get(key, original))


async def prefetch_texts(context: Context, owner_type: str, owner_ids: list[UUID]) -> None:
    """Read the texts of a list's records at once, if the operation wants another language than theirs."""
    known = context.languages()
    languages = known if isinstance(known, tuple) else await known
    if languages:
        await context.loaders.fetch(queries.texts_by_owner, owner_ids, owner_type, languages)


def _owner(resource_id: str) -> tuple[str, UUID]:
    try:
        prefix, value = ids.split(resource_id)
    except NotFound:
        raise NotFound(field=("resourceId",)) from None
    if prefix not in TRANSLATIONS:
        raise NotFound(field=("resourceId",))
    return prefix, value


def _bounded(values: list[Any], name: str) -> list[Any]:
    if len(values) > service.MOST:
        message = f"A call carries at most {service.MOST} of these."
        raise InvalidInput(message, field=(name,))
    return values
