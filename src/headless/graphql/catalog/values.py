"""Which small parts are products and variants made of in the API?"""

import strawberry


@strawberry.type(description="What search engines show.")
class Seo:
    title: str | None
    description: str | None


@strawberry.type(description="A way in which a product's variants differ.")
class ProductOption:
    name: str
    values: list[str]


@strawberry.type(description="An option's value.")
class SelectedOption:
    name: str
    value: str


@strawberry.input(description="An option's value.")
class SelectedOptionInput:
    name: str
    value: str
