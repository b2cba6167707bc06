"""Is a document refused that asks for too much, before it costs anything?"""

import pytest
from graphql import get_introspection_query

from tests.builders import Shop
from tests.graphql.client import Api, of

GRAPHQL = {"Accept": "application/graphql-response+json"}


@pytest.fixture
def database_kind() -> str:
    """Refused documents never reach a database."""
    return "sqlite"


def nested(levels: int, text: str, inner: str = "__typename") -> str:
    return text * levels + inner + "}" * levels * text.count("{")


def doubling(levels: int) -> str:
    """Fragments that each spread the next one twice: 2 ** levels fields."""
    fragments = [f"fragment F{n} on Product {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels)]
    return " ".join(["{ products { nodes { ...F0 } } }", *fragments, f"fragment F{levels} on Product {{ id }}"])


def chain(length: int, *, around: str = "") -> str:
    """Fragments that each spread the next one."""
    close = "}" * around.count("{")
    fragments = [f"fragment F{n} on Query {{ {around}...F{n + 1}{close} }}" for n in range(length)]
    return " ".join(["{ ...F0 }", *fragments, f"fragment F{length} on Query {{ __typename }}"])


PARSE, VALIDATION, COST, INPUT = (
    "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "MAX_COST_EXCEEDED", "BAD_USER_INPUT",
)  # fmt: skip
HOSTILE = {
    "deep": ("{ products { nodes {" + nested(8, " variants { nodes { product {", "id") + "} } }", COST),
    "very deep": (nested(150, "{ a "), COST),
    "deeper than the parser goes": (nested(900, "{ a "), PARSE),
    "deep inline fragments": ("{" + nested(150, "... {") + "}", None),
    "doubling fragments": (doubling(60), COST),
    "wide doubling fragments": (doubling(12), COST),
    "long chain of fragments": (chain(200), None),
    "long chain of fragments with inline ones": (chain(120, around="... { ... {"), None),
    "fragment that spreads itself": ("{ ...F } fragment F on Query { ...F }", VALIDATION),
    "fragments in a circle": ("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }", VALIDATION),
    "circle through fields": (
        "{ products { nodes { ...A } } } fragment A on Product { variants { nodes { product { ...A } } } }", VALIDATION,
    ),
    "aliases": ("{" + " ".join(f"a{n}: __typename" for n in range(101)) + "}", COST),
    "aliases in a fragment": (
        "{ ...F } fragment F on Query {" + " ".join(f"a{n}: __typename" for n in range(101)) + "}", COST,
    ),
    "1000 aliases": ("{" + " ".join(f"a{n}: __typename" for n in range(600)) + "}", COST),
    "root fields": ("{" + " __typename" * 51 + "}", COST),
    "root fields in a fragment": ("{ ...F } fragment F on Query {" + " __typename" * 51 + "}", COST),
    "root fields in inline fragments": ("{" + " ... { __typename }" * 51 + "}", COST),
    "500 times the same field": ("{ shop { " + "name " * 500 + "} " + " __typename" * 60 + "}", COST),
    "directives": ("{ __typename " + "@skip(if: false) " * 51 + "}", COST),
    "repeated directive": ("{ __typename @skip(if: false) @skip(if: false) }", VALIDATION),
    "unknown directives": ("{ __typename " + "@a " * 51 + "}", COST),
    "tokens": ("{" + " __typename" * 2100 + "}", PARSE),
    "one huge name": ("{ " + "a" * 60_000 + " }", VALIDATION),
    "one huge number": ("{ products(first: " + "9" * 60_000 + ") { nodes { id } } }", VALIDATION),
    "one huge text": ('{ products(query: "' + "x " * 30_000 + '") { nodes { id } } }', None),
    "list in lists": ("{ nodes(ids: " + "[" * 600 + "]" * 600 + ") { id } }", None),
    "list in lists, shorter": ("{ nodes(ids: " + "[" * 120 + "]" * 120 + ") { id } }", VALIDATION),
    "type of lists": ("query($a: " + "[" * 400 + "Int" + "]" * 400 + ") { __typename }", None),
    "object in objects": ("mutation { cartCreate(input: " + nested(120, "{a:", "1") + ") { cart { id } } }", VALIDATION),
    "rows of rows": ("{ products(first: 250) { nodes { variants(first: 250) { nodes { id title } } } } }", COST),
    "rows of rows by last": ("{ products(last: 250) { nodes { variants(last: 250) { nodes { id title } } } } }", COST),
    "rows of rows without a number": (
        "{ collections { nodes { products { nodes { collections { nodes { products { nodes { id } } } } } } } } }", COST,
    ),
    "rows of rows in fragments": (
        """{ collections { ...C } } fragment C on CollectionConnection { nodes { products { ...P } } }
           fragment P on ProductConnection { nodes { collections { ...D } } }
           fragment D on CollectionConnection { nodes { products { edges { node { id } } } } }""", COST,
    ),
    "rows of rows in inline fragments": (
        "{ collections { ... { nodes { products { ... { nodes { collections { ... { nodes { products { ... { nodes { id }"
        + "}" * 12, COST,
    ),
    "rows hidden behind rows less than none": (
        """{ a: products(first: -250) { nodes { variants(first: 250) { nodes { id title } } } }
             b: products(first: 250) { nodes { variants(first: 250) { nodes { id title } } } } }""", COST,
    ),
    "rows of rows by default of a variable": (
        """query($n: Int = 250) { products(first: $n) { nodes { variants(first: $n) { nodes { id title } } } } }""", COST,
    ),
    "nodes of rows": (
        "{ nodes(ids: [" + '"x" ' * 250 + "]) { ... on Product { variants(first: 250) { nodes { id title } } } } }", COST,
    ),
    "one too many of everything in an unused operation": (
        "query A { __typename } query B {" + " __typename" * 51 + "}", COST,
    ),
    "subscription with two roots": ("subscription { a: __typename b: __typename }", None),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_documents_are_refused(api: Api, name: str) -> None:
    document, code = HOSTILE[name]
    assert len(document) < 64 * 1024

    reply = await api.execute(document, headers=GRAPHQL)

    if code is None:  # whichever way it is judged, it does no harm
        assert reply.status in {200, 400}
        assert set(reply.codes) <= {PARSE, VALIDATION, COST, INPUT}
    else:
        assert reply.status == 400
        assert set(reply.codes) == {code}
        assert "data" not in reply.body
        assert reply.statements == 0
    assert len(reply.body.get("errors", ())) <= 10


@pytest.mark.parametrize(
    "variables",
    [{"n": 250}, {"n": 250.0}, {"n": 250, "unused": 1}, {"n": 10**9}],
)
async def test_rows_by_variables_count_as_rows(api: Api, variables: dict[str, float]) -> None:
    document = """query($n: Int) {
      products(first: $n) { nodes { variants(first: $n) { nodes { id title sku } } } }
    }"""

    reply = await api.execute(document, variables, headers=GRAPHQL)
    mixed = await api.execute(
        """query($n: Int, $none: Int) { products(first: $none, last: $n) {
             nodes { variants(first: $none, last: $n) { nodes { id title sku } } } } }""",
        variables,
        headers=GRAPHQL,
    )

    assert (reply.status, set(reply.codes)) == (400, {COST})
    assert (mixed.status, set(mixed.codes)) == (400, {COST})


async def test_rows_by_variables_count_no_more_than_they_are(api: Api, shop: Shop) -> None:
    document = """query($n: Int = 250, $ids: [ID!]!) {
      products(first: $n) { nodes { variants(first: $n) { nodes { id title sku } } } }
      nodes(ids: $ids) { ... on Product { variants(first: 250) { nodes { id title } } } }
    }"""

    few = await api.execute(document, {"n": 3, "ids": [of("product", shop.mug_product)]})
    many = await api.execute(document, {"n": 3, "ids": ["x"] * 250}, headers=GRAPHQL)

    assert len(few.data["products"]["nodes"]) == 3
    assert set(many.codes) == {COST}


async def test_most_of_everything_is_allowed(api: Api) -> None:
    aliases = " ".join(f"a{n}: __typename" for n in range(50))
    listing = "{ products(first: 250) { nodes { id title handle priceRange { minVariantPrice { amount } } } } }"

    assert (await api.execute("{" + aliases + "}")).status == 200
    assert (await api.execute("{ shop { " + "name " * 400 + "} }")).data == {"shop": {"name": "Test Shop"}}
    assert len((await api.execute(listing)).data["products"]["nodes"]) == 4


async def test_refused_document_stays_refused_and_a_good_one_good(api: Api) -> None:
    for _ in range(3):
        refused = await api.execute(doubling(60), headers=GRAPHQL)
        assert (refused.status, refused.codes) == (400, [COST])
        assert (await api.execute("{ shop { name } }")).data == {"shop": {"name": "Test Shop"}}


async def test_number_of_remembered_documents_is_bounded(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headless.graphql.server.execution.CACHED_DOCUMENTS", 3)

    for n in range(10):
        assert (await api.execute(f"{{ a{n}: __typename }}")).data == {f"a{n}": "Query"}

    assert (await api.execute("{ a0: __typename }")).data == {"a0": "Query"}


async def test_introspection_of_the_playground_passes_for_anyone(api: Api) -> None:
    document = get_introspection_query(
        descriptions=True, specified_by_url=True, directive_is_repeatable=True, schema_description=True,
        input_value_deprecation=True,
    )  # fmt: skip

    reply = await api.execute(document, headers=GRAPHQL)

    assert reply.status == 200
    names = {kind["name"] for kind in reply.body["data"]["__schema"]["types"]}
    assert {"Query", "Mutation", "Subscription", "Product", "Decimal"} <= names
    assert reply.statements == 0


async def test_errors_suggest_no_names_in_production(api: Api) -> None:
    reply = await api.execute("{ shopp { name } produkt { id } }", headers=GRAPHQL)

    assert set(reply.codes) == {VALIDATION}
    assert not any("Did you mean" in error["message"] for error in reply.errors)


async def test_no_more_than_ten_errors_are_told(api: Api) -> None:
    invalid = await api.execute("{ shop {" + " ".join(f"x{n}" for n in range(100)) + "} }", headers=GRAPHQL)
    unknown = await api.execute("{" + " ".join(f'a{n}: product(id: "x") {{ id }}' for n in range(40)) + "}")
    variables = await api.execute(
        "mutation($i: CartLinesAddInput!) { cartLinesAdd(input: $i) { cart { id } } }",
        {"i": {"cartId": "x", "lines": [{"quantity": "x"}] * 100}},
        headers=GRAPHQL,
    )

    assert len(invalid.errors) == 10
    assert len(unknown.errors) == 10
    assert set(unknown.codes) == {"NOT_FOUND"}
    assert len(unknown.body["data"]) == 40
    assert 1 <= len(variables.errors) <= 11
    assert set(variables.codes) == {INPUT}
