"""How do sums, line costs and ways of delivery look in the API?"""

import strawberry

from headless.graphql.money import Money, amount
from headless.pricing.rules import Totals


@strawberry.type(description="A key and a value that the storefront attached.")
class Attribute:
    key: str
    value: str


@strawberry.type(description="Sums, exact: subtotal - discounts + delivery + tax = total.")
class Cost:
    subtotal_amount: Money
    total_discount_amount: Money
    total_delivery_amount: Money
    total_tax_amount: Money
    total_amount: Money


def cost(sums: Totals, currency: str) -> Cost:
    return Cost(
        subtotal_amount=amount(sums.subtotal_amount, currency),
        total_discount_amount=amount(sums.discount_amount, currency),
        total_delivery_amount=amount(sums.delivery_amount, currency),
        total_tax_amount=amount(sums.tax_amount, currency),
        total_amount=amount(sums.total_amount, currency),
    )


@strawberry.type(description="What a line costs.")
class CartLineCost:
    amount_per_quantity: Money
    compare_at_amount_per_quantity: Money | None
    subtotal_amount: Money
    total_amount: Money


@strawberry.type(description="A way of delivery with its price.")
class DeliveryOption:
    id: strawberry.ID
    title: str
    cost: Money
