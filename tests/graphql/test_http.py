"""Is GraphQL spoken over HTTP as the specification and the contract say?"""

from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import httpx2
import orjson
import pytest
from sqlalchemy import text

from headless.accounts.rules import Permission
from headless.graphql.server.execution import Engine, Request, RequestError
from headless.settings import Settings
from tests.builders import Shop
from tests.graphql.client import Api, of, ready_cart, running

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
HELLO = {"query": "{ __typename }"}
TWO = "query A { __typename } query B { shop { name } }"
START = """mutation($cart: ID!, $key: String) {
  checkoutStart(input: {cartId: $cart, idempotencyKey: $key}) { checkout { id } userErrors { code field } }
}"""


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """HTTP is the same whatever the database; tests that write ask for both by a parameter of this name."""
    return str(getattr(request, "param", "sqlite"))


@pytest.mark.parametrize("path", ["/graphql", "/graphql/"])
async def test_queries_are_answered_with_and_without_the_slash(api: Api, path: str) -> None:
    posted = await api.request("POST", path, json=HELLO)
    got = await api.request("GET", path, params=HELLO)

    for reply in (posted, got):
        assert reply.status == 200
        assert reply.body == {"data": {"__typename": "Query"}}
        assert "location" not in reply.headers


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}; charset=utf-8", GRAPHQL),
        (f"{GRAPHQL}, {JSON}", GRAPHQL),
        (f"{JSON}, {GRAPHQL}", GRAPHQL),
        (f"{JSON}, {GRAPHQL};q=0.5", JSON),
        (f"text/html, {JSON};q=0.9", JSON),
        (f"{GRAPHQL};q=0, {JSON}", JSON),
        ("text/html, */*;q=0.1", JSON),
        ("APPLICATION/JSON", JSON),
    ],
)
async def test_media_type_is_negotiated(api: Api, accept: str, answered: str) -> None:
    reply = await api.post(HELLO, headers={"Accept": accept})

    assert reply.status == 200
    assert reply.headers["content-type"] == f"{answered}; charset=utf-8"
    assert reply.headers["vary"] == "Accept, Origin"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.body == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("accept", ["text/plain", "text/html", f"{JSON};q=0", "image/*", "nonsense"])
async def test_other_media_types_are_refused(api: Api, accept: str) -> None:
    reply = await api.post(HELLO, headers={"Accept": accept})

    assert reply.status == 406
    assert reply.codes == ["BAD_USER_INPUT"]
    assert "data" not in reply.body


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "{ shop }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "{ shop { name } } { shop { name } }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query($id: ID!) { product(id: $id) { id } }"}, "BAD_USER_INPUT"),
        ({"query": "query($n: Int) { products(first: $n) { nodes { id } } }", "variables": {"n": "3"}}, "BAD_USER_INPUT"),
        ({"query": "query($n: Int) { products(first: $n) { nodes { id } } }", "variables": {"n": 10**12}}, "BAD_USER_INPUT"),
        ({"query": TWO}, "BAD_USER_INPUT"),
        ({"query": TWO, "operationName": "C"}, "BAD_USER_INPUT"),
        ({"query": "fragment F on Query { shop { name } }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": 'query @inContext(channel: "moon") { products { nodes { id } } }'}, "BAD_USER_INPUT"),
    ],
)  # fmt: skip
async def test_what_cannot_be_executed_is_told_by_status_or_by_body(api: Api, body: object, code: str) -> None:
    by_status = await api.post(body, headers={"Accept": GRAPHQL})
    by_body = await api.post(body, headers={"Accept": JSON})

    if "inContext" in str(body):  # found while executing: the field is null
        assert (by_status.status, by_body.status) == (200, 200)
        assert by_status.body["data"] is None
    else:
        assert (by_status.status, by_body.status) == (400, 200)
        assert "data" not in by_status.body
    assert by_status.body == by_body.body
    assert set(by_status.codes) == {code}
    assert all(error["message"] for error in by_status.errors)


@pytest.mark.parametrize("query", ["{", "{ nothing }", "{ shop }"])
async def test_a_wrong_document_that_is_known_holds_on_to_no_request_that_sent_it(api: Api, query: str) -> None:
    engine = Engine(api.server)
    raised = []
    for _nth in range(3):
        with pytest.raises(RequestError) as refused:
            engine.prepare(Request(query=query))
        raised.append(refused)

    first, *others = raised
    assert [other.value.answer() for other in others] == [first.value.answer()] * 2
    assert [len(other.traceback) for other in others] == [len(first.traceback)] * 2
    assert len({id(refused.value) for refused in raised}) == 3


async def test_operation_is_chosen_by_name(api: Api) -> None:
    reply = await api.post({"query": TWO, "operationName": "B"})
    nameless = await api.post({"query": "query A { __typename }", "operationName": ""})

    assert reply.data == {"shop": {"name": "Test Shop"}}
    assert nameless.data == {"__typename": "Query"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nothing",
        b"null",
        b'"x"',
        b"1",
        b"true",
        b"[]",
        b'[{"query": "{ __typename }"}]',
        b"{}",
        b'{"query": null}',
        b'{"query": ""}',
        b'{"query": " "}',
        b'{"query": 1}',
        b'{"query": ["{ __typename }"]}',
        b'{"query": "\xff\xfe"}',
        b"\xff\xfe{\x00}\x00",
        b'{"query": "{ __typename }", "query": ',
        b'{"query": "\\ud800"}',
        b"[" * 20_000,
        b'{"query": "{ __typename }", "variables": []}',
        b'{"query": "{ __typename }", "variables": "{}"}',
        b'{"query": "{ __typename }", "variables": 1}',
        b'{"query": "{ __typename }", "operationName": 1}',
        b'{"query": "{ __typename }", "operationName": ["A"]}',
        b'{"query": "{ __typename }", "extensions": "x"}',
        b'{"query": "{ __typename }", "extensions": []}',
        b'{"documentId": "sha256:0"}',
    ],
)
@pytest.mark.parametrize("accept", [GRAPHQL, JSON])
async def test_malformed_bodies_are_refused(api: Api, body: bytes, accept: str) -> None:
    reply = await api.post(body, headers={"Accept": accept})

    assert reply.status == 400
    assert reply.headers["content-type"] == f"{accept}; charset=utf-8"
    assert reply.codes == ["BAD_USER_INPUT"]
    assert set(reply.body) == {"errors"}


async def test_null_parameters_count_as_missing(api: Api) -> None:
    reply = await api.post({"query": "{ __typename }", "variables": None, "operationName": None, "extensions": None})

    assert reply.data == {"__typename": "Query"}


@pytest.mark.parametrize(
    ("authorization", "why"),
    [
        ("Bearer hl_wrong", "unknown"),
        ("Bearer ", "empty"),
        ("Bearer", "empty"),
        ("", "empty"),
        ("Basic aGk6aGk=", "another scheme"),
        ("hl_wrong", "no scheme"),
        ("Bearer " + "x" * 5000, "long"),
    ],
)
async def test_invalid_token_is_refused_and_not_treated_as_a_shopper(api: Api, authorization: str, why: str) -> None:
    reply = await api.post(HELLO, headers={"Authorization": authorization})

    assert reply.status == 401
    assert reply.headers["content-type"].startswith(JSON)
    assert reply.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert reply.codes == ["UNAUTHENTICATED"]
    assert "data" not in reply.body


async def test_revoked_token_is_refused(api: Api) -> None:
    token = await api.token(Permission.READ_ORDERS)
    assert (await api.post(HELLO, token=token)).status == 200

    async with api.server.database.transaction() as session:
        await session.execute(text("UPDATE api_token SET revoked_at = created_at"))

    assert (await api.post(HELLO, token=token)).status == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_scheme_of_the_token_is_case_insensitive(api: Api, scheme: str) -> None:
    token = await api.token(Permission.READ_ORDERS)

    reply = await api.post({"query": "{ viewer { permissions } }"}, headers={"Authorization": f"{scheme} {token}"})

    assert reply.data == {"viewer": {"permissions": ["READ_ORDERS"]}}


async def test_viewer_is_told_who_he_is(api: Api) -> None:
    document = "{ viewer { staff { name } permissions } }"
    token = await api.token(Permission.WRITE_ORDERS, Permission.READ_PRODUCTS)

    assert (await api.execute(document)).data == {"viewer": {"staff": None, "permissions": []}}
    assert (await api.execute(document, token=token)).data == {
        "viewer": {"staff": {"name": "Robot"}, "permissions": ["READ_PRODUCTS", "WRITE_ORDERS"]}
    }


@pytest.mark.parametrize("accept", [GRAPHQL, JSON])
async def test_mutation_by_get_is_refused_and_not_carried_out(api: Api, accept: str) -> None:
    params = {"query": "mutation { cartCreate(input: {}) { cart { id } } }"}

    reply = await api.request("GET", params=params, headers={"Accept": accept})

    assert reply.status == 405
    assert reply.headers["allow"] == "POST"
    assert reply.codes == ["BAD_USER_INPUT"]
    async with api.server.database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM cart")) == 0


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods_are_refused(api: Api, method: str) -> None:
    reply = await api.request(method)

    assert reply.status == 405
    assert {part.strip() for part in reply.headers["allow"].split(",")} >= {"GET", "POST"}
    assert reply.codes == ["BAD_USER_INPUT"]


async def test_unknown_paths_are_answered_in_json(api: Api) -> None:
    reply = await api.request("GET", "/graphq1")

    assert reply.status == 404
    assert reply.codes == ["NOT_FOUND"]


async def test_head_is_answered_without_a_mutation(api: Api) -> None:
    query = await api.request("HEAD", params=HELLO)
    mutation = await api.request("HEAD", params={"query": "mutation { cartCreate(input: {}) { cart { id } } }"})

    assert query.status == 200
    assert mutation.status == 405


async def test_query_by_get_takes_variables_operation_name_and_extensions(api: Api, shop: Shop) -> None:
    document = "query A { __typename } query B($id: ID) { product(id: $id) { title } }"
    params = {
        "query": document,
        "operationName": "B",
        "variables": orjson.dumps({"id": of("product", shop.mug_product)}).decode(),
        "extensions": "{}",
    }

    reply = await api.request("GET", params=params)

    assert reply.data == {"product": {"title": "Mug"}}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"query": ""},
        {"variables": "{}"},
        {"query": "{ __typename }", "variables": "["},
        {"query": "{ __typename }", "variables": "[]"},
        {"query": "{ __typename }", "variables": "1"},
        {"query": "{ __typename }", "extensions": "x"},
    ],
)
async def test_malformed_query_strings_are_refused(api: Api, params: dict[str, str]) -> None:
    reply = await api.request("GET", params=params)

    assert reply.status == 400
    assert reply.codes == ["BAD_USER_INPUT"]
    assert "data" not in reply.body


async def test_malformed_percent_encoding_is_no_fault_of_ours(api: Api) -> None:
    reply = await api.request("GET", "/graphql?query=%ff%00%7B&variables=%ed%a0%80")

    assert reply.status == 400
    assert reply.codes == ["BAD_USER_INPUT"]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=latin-1",
        'application/json; charset="utf-16"',
        "",
        "json",
        None,
    ],
)
async def test_other_content_types_are_refused(api: Api, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}

    reply = await api.request("POST", content=orjson.dumps(HELLO), headers=headers)

    assert reply.status == 415
    assert reply.headers["accept-post"] == JSON
    assert reply.codes == ["BAD_USER_INPUT"]
    assert "data" not in reply.body


@pytest.mark.parametrize("content_type", [
    "application/json; charset=utf-8", 'application/json;charset="UTF-8"', "Application/JSON", "application/json;",
    "application/json; profile=x",
])  # fmt: skip
async def test_json_in_utf_8_is_taken_however_it_is_spelled(api: Api, content_type: str) -> None:
    reply = await api.post(HELLO, headers={"Content-Type": content_type})

    assert reply.status == 200


async def _chunks(size: int) -> AsyncIterator[bytes]:
    yield b'{"query": "{ __typename }", "extensions": {"x": "'
    for _ in range(size // 1024):
        yield b"x" * 1024
    yield b'"}}'


@pytest.mark.parametrize("is_staff", [False, True])
async def test_body_is_bounded_declared_or_in_chunks(api: Api, is_staff: bool) -> None:
    limit = 1024 * 1024 if is_staff else 64 * 1024
    token = await api.token(Permission.READ_ORDERS) if is_staff else None
    content_type = {"Content-Type": JSON}

    fitting = orjson.dumps(HELLO) + b" " * (limit - len(orjson.dumps(HELLO)))
    assert (await api.post(fitting, token=token)).status == 200
    refused = [
        await api.post(fitting + b" ", token=token),
        await api.request("POST", headers=content_type, content=_chunks(limit), token=token),
    ]

    assert (await api.request("POST", headers=content_type, content=_chunks(limit - 2048), token=token)).status == 200
    for reply in refused:
        assert reply.status == 413
        assert reply.codes == ["BAD_USER_INPUT"]
        assert "data" not in reply.body


async def test_declared_size_is_believed_before_the_body_is_read(api: Api) -> None:
    reply = await api.request(
        "POST", headers={"Content-Type": JSON, "Content-Length": str(10**12)}, content=orjson.dumps(HELLO)
    )

    assert reply.status == 413


@pytest.mark.parametrize("origins", ["", "https://shop.example", "*"])
@pytest.mark.parametrize("is_development", [False, True])
@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:3000",
        "https://localhost",
        "http://127.0.0.1:5173",
        "http://[::1]:8080",
        "https://shop.example",
        "https://shop.example.evil.test",
        "https://evil.test",
        "https://shopxexample",
        "http://localhost.evil.test",
        "http://localhost:3000.evil.test",
        "null",
    ],
)
async def test_browsers_are_let_in_by_their_origin(
    settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch, origins: str, is_development: bool, origin: str
) -> None:
    is_local = "evil" not in origin and any(host in origin for host in ("//localhost", "127.0.0.1", "[::1]"))
    is_allowed = origins in {"*", origin} or (is_development and is_local)
    own = Settings.model_validate({**settings.model_dump(), "cors_origins": origins, "development": is_development})

    async with running(own, monkeypatch) as api:
        preflight = await api.request(
            "OPTIONS",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,last-event-id",
            },
        )
        reply = await api.post(HELLO, headers={"Origin": origin})

    assert reply.status == 200
    assert "access-control-allow-credentials" not in reply.headers
    assert preflight.status == (200 if is_allowed else 400)
    for answer in (preflight, reply):
        assert answer.headers.get("access-control-allow-origin") in ({origin, "*"} if is_allowed else {None})
    if is_allowed:
        assert "POST" in preflight.headers["access-control-allow-methods"]
        allowed = preflight.headers["access-control-allow-headers"].lower()
        assert all(name in allowed for name in ("authorization", "idempotency-key", "last-event-id"))
        assert reply.headers["access-control-allow-origin"] == "*" or "Origin" in reply.headers["vary"]


async def test_errors_are_readable_for_allowed_browsers(
    settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Settings.model_validate({**settings.model_dump(), "cors_origins": "https://shop.example"})

    async with running(own, monkeypatch) as api:
        refused = [
            await api.post(b"null", headers={"Origin": "https://shop.example"}),
            await api.post(HELLO, headers={"Origin": "https://shop.example"}, token="wrong"),
            await api.request("PUT", headers={"Origin": "https://shop.example"}),
        ]

    assert [reply.status for reply in refused] == [400, 401, 405]
    assert {reply.headers["access-control-allow-origin"] for reply in refused} == {"https://shop.example"}


async def test_sdl_is_served(api: Api) -> None:
    reply = await api.request("GET", "/graphql/schema.graphql")

    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain")
    assert "type Query {" in reply.body
    assert "directive @inContext(" in reply.body


async def test_health_is_told(api: Api) -> None:
    live, ready = await api.request("GET", "/livez"), await api.request("GET", "/readyz")

    assert (live.status, live.body) == (200, {"status": "ok"})
    assert (ready.status, ready.body) == (200, {"status": "ok"})


async def test_server_without_its_tables_lives_but_is_not_ready(api: Api) -> None:
    async with api.server.database.transaction() as session:
        await session.execute(text("ALTER TABLE shop RENAME TO shop_gone"))

    live, ready = await api.request("GET", "/livez"), await api.request("GET", "/readyz")

    assert live.status == 200
    assert (ready.status, ready.body) == (503, {"status": "unavailable"})
    assert ready.headers["retry-after"] == "1"


async def test_pictures_are_served_and_absent_ones_are_not_found(api: Api) -> None:
    absent = [await api.request("GET", path) for path in ("/media/a.jpg", "/media/", "/media/%00", "/media/..%2fx")]

    api.server.settings.media_dir.mkdir()
    (api.server.settings.media_dir / "a.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    found = await api.request("GET", "/media/a.svg")

    assert [reply.status for reply in absent] == [404, 404, 404, 404]
    assert found.status == 200
    assert found.headers["content-security-policy"].endswith("sandbox")


async def test_what_nobody_foresaw_is_masked(api: Api, shop: Shop, logs: list[MutableMapping[str, Any]]) -> None:
    async with api.server.database.transaction() as session:
        await session.execute(text("ALTER TABLE media RENAME TO media_gone"))

    reply = await api.execute(
        "query($id: ID!) { product(id: $id) { title featuredMedia { id } } }",
        {"id": of("product", shop.mug_product)},
    )

    assert reply.status == 200
    assert reply.body["data"] == {"product": {"title": "Mug", "featuredMedia": None}}
    (error,) = reply.errors
    assert error["path"] == ["product", "featuredMedia"]
    assert set(error) == {"message", "path", "extensions"}
    assert set(error["extensions"]) == {"code", "requestId"}
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    for secret in ("media_gone", "no such table", "SELECT", "sqlite", "Traceback"):
        assert secret not in error["message"]
    (logged,) = logs
    assert logged["request_id"] == error["extensions"]["requestId"]


async def test_busy_server_says_so_at_once(settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings.model_copy(update={"max_concurrent_requests": 1})
    async with running(own, monkeypatch) as api:

        async def slow() -> AsyncIterator[bytes]:
            yield b'{"query": '
            busy.append(await api.post(HELLO))
            yield b'"{ __typename }"}'

        busy: list[Any] = []
        first = await api.request("POST", headers={"Content-Type": JSON}, content=slow())
        after = await api.post(HELLO)

    assert busy[0].status == 503
    assert busy[0].headers["retry-after"] == "1"
    assert busy[0].codes == ["UNAVAILABLE"]
    assert (first.status, after.status) == (200, 200)


async def test_query_that_takes_too_long_is_stopped(
    settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings.model_copy(update={"query_timeout_seconds": 1e-9}), monkeypatch) as api:
        reply = await api.execute("{ shop { name } }")
        write = await api.execute("mutation { cartCreate(input: {}) { cart { totalQuantity } } }")

    assert reply.status == 503
    assert reply.codes == ["UNAVAILABLE"]
    assert write.data == {"cartCreate": {"cart": {"totalQuantity": 0}}}


async def test_subscription_over_plain_http_is_refused(api: Api) -> None:
    reply = await api.execute("subscription { stockChanged(variantIds: []) { id } }", headers={"Accept": GRAPHQL})

    assert reply.status == 400
    assert reply.codes == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("database_kind", ["sqlite", "postgres"], indirect=True)
async def test_header_fills_a_missing_idempotency_key(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug)
    header = {"Idempotency-Key": "once"}

    first = await api.execute(START, {"cart": cart}, headers=header)
    again = await api.execute(START, {"cart": cart}, headers=header)
    by_input = await api.execute(START, {"cart": cart, "key": "once"})
    both = await api.execute(START, {"cart": cart, "key": "once"}, headers=header)

    assert first.data["checkoutStart"]["userErrors"] == []
    assert "extensions" not in first.body
    for reply in (again, by_input, both):
        assert reply.body == {**first.body, "extensions": {"idempotency": {"replayed": True}}}


@pytest.mark.parametrize("database_kind", ["sqlite", "postgres"], indirect=True)
async def test_different_keys_in_header_and_input_are_refused(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug)

    reply = await api.execute(START, {"cart": cart, "key": "mine"}, headers={"Idempotency-Key": "yours"})

    assert reply.status == 200
    assert reply.codes == ["BAD_USER_INPUT"]
    assert reply.body["data"] == {"checkoutStart": None}
    async with api.server.database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM checkout")) == 0


@pytest.mark.parametrize(
    "document",
    [
        "mutation($c: ID!) { a: checkoutStart(input: {cartId: $c}) { cart { id } } b: checkoutCancel(input: {cartId: $c}) { cart { id } } }",
        "mutation($c: ID!) { a: checkoutStart(input: {cartId: $c}) { cart { id } } ...F } fragment F on Mutation { b: checkoutCancel(input: {cartId: $c}) { cart { id } } }",
        "mutation($c: ID!) { ... { a: checkoutStart(input: {cartId: $c}) { cart { id } } ... on Mutation { b: checkoutCancel(input: {cartId: $c}) { cart { id } } } } }",
    ],
    ids=["fields", "fragment", "inline"],
)  # fmt: skip
async def test_header_cannot_stand_for_two_mutations(api: Api, shop: Shop, document: str) -> None:
    cart = await ready_cart(api, shop.mug)

    reply = await api.execute(document, {"c": cart}, headers={"Idempotency-Key": "once"})

    assert reply.codes == ["BAD_USER_INPUT"]
    assert "data" not in reply.body
    async with api.server.database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM checkout")) == 0


async def test_header_counts_for_a_mutation_inside_a_fragment(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug)
    document = """mutation($c: ID!) { ...F }
      fragment F on Mutation { checkoutStart(input: {cartId: $c}) { userErrors { code } } }"""

    await api.execute(document, {"c": cart}, headers={"Idempotency-Key": "once"})
    reply = await api.execute(document, {"c": cart}, headers={"Idempotency-Key": "once"})

    assert reply.body["extensions"] == {"idempotency": {"replayed": True}}


async def test_header_is_of_no_consequence_for_other_operations(api: Api) -> None:
    header = {"Idempotency-Key": "once"}

    query = await api.execute("{ __typename }", headers=header)
    mutations = await api.execute(
        "mutation { a: cartCreate(input: {}) { cart { note } } b: cartCreate(input: {}) { cart { note } } }",
        headers=header,
    )

    assert query.data == {"__typename": "Query"}
    assert mutations.data == {"a": {"cart": {"note": ""}}, "b": {"cart": {"note": ""}}}


async def test_required_key_can_come_by_header_alone(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug)
    document = """mutation($c: ID!) {
      checkoutComplete(input: {cartId: $c, payment: {provider: "sandbox", token: "tok_visa"}}) {
        order { number } userErrors { code field }
      }
    }"""

    refused = await api.execute(document, {"c": cart})
    paid = await api.execute(document, {"c": cart}, headers={"Idempotency-Key": "once"})

    assert refused.data["checkoutComplete"] == {
        "order": None,
        "userErrors": [{"code": "IDEMPOTENCY_KEY_REQUIRED", "field": ["idempotencyKey"]}],
    }
    assert paid.data["checkoutComplete"]["userErrors"] == []
    assert paid.data["checkoutComplete"]["order"] is not None


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_keys_have_a_length(api: Api, shop: Shop, key: str) -> None:
    cart = await ready_cart(api, shop.mug)

    reply = await api.execute(START, {"cart": cart, "key": key})

    assert reply.data["checkoutStart"]["userErrors"] == [{"code": "INVALID_INPUT", "field": ["idempotencyKey"]}]


async def test_server_on_a_port_refuses_what_is_no_http(api: Api) -> None:
    async with api.socket(), httpx2.AsyncClient(trust_env=False) as client:
        reply = await client.post(
            f"http://{api.address}/graphql", content=b"{}", headers={"Content-Type": JSON, "Accept": GRAPHQL}
        )

    assert reply.status_code == 400
    assert reply.headers["content-type"] == f"{GRAPHQL}; charset=utf-8"
    assert "server" not in reply.headers
