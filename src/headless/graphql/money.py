"""How do amounts look in the API?"""

from decimal import Decimal

import strawberry

from headless.graphql.declare import field
from headless.graphql.scalars import CurrencyCode
from headless.platform import money


@strawberry.type(description="An amount of money, exact, with the currency's own digits.")
class Money:
    @field
    def amount(self: money.Money) -> Decimal:
        """Such as "12.50", or "1250" in JPY."""
        return str(self)  # type: ignore[return-value]  # the scalar writes text

    @field
    def currency_code(self: money.Money) -> CurrencyCode:
        return CurrencyCode(self.currency)


@strawberry.type(description="The lowest and the highest price of a product's variants.")
class PriceRange:
    min_variant_price: Money
    max_variant_price: Money


def amount(value: int, currency: str) -> Money:
    """Minor units as the API's type."""
    return money.Money(value, currency)  # type: ignore[return-value]  # a view over the platform's value


def amount_or_none(value: int | None, currency: str) -> Money | None:
    return None if value is None else amount(value, currency)
