"""How do postal addresses look in the API?"""

from collections.abc import Mapping
from typing import Any

import strawberry
from strawberry import UNSET

from headless.cart.rules import Address
from headless.graphql.context import given
from headless.graphql.scalars import CountryCode


@strawberry.type(description="A postal address.")
class MailingAddress:
    first_name: str | None
    last_name: str | None
    company: str | None
    address1: str | None
    address2: str | None
    city: str | None
    zone_code: str | None = strawberry.field(description="State or province, as in ISO 3166-2 without the country.")
    postal_code: str | None
    country_code: CountryCode
    phone: str | None


@strawberry.input(description="A postal address.")
class AddressInput:
    first_name: str | None = UNSET
    last_name: str | None = UNSET
    company: str | None = UNSET
    address1: str | None = UNSET
    address2: str | None = UNSET
    city: str | None = UNSET
    zone_code: str | None = UNSET
    postal_code: str | None = UNSET
    country_code: CountryCode
    phone: str | None = UNSET

    def plain(self) -> Address:
        return Address(**given(**vars(self)))


def address(stored: Mapping[str, Any] | None) -> MailingAddress | None:
    return None if stored is None else MailingAddress(**stored)
