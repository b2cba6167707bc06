"""What does /metrics tell, and to whom?"""

from datetime import timedelta

from headless.accounts.rules import Permission
from headless.operations import service as operations
from tests.builders import Shop
from tests.graphql.client import Api, of, until


async def test_whoever_may_read_settings_sees_what_is_open_and_what_the_books_say(api: Api, shop: Shop) -> None:
    await operations.check_books(api.server.database, every=timedelta(0))
    token = await api.token(Permission.READ_SETTINGS)
    async with api.socket() as socket:
        await socket.init()
        document = "subscription($id: ID!) { stockChanged(variantIds: [$id]) { cursor } }"
        await socket.subscribe("1", document, {"id": of("variant", shop.mug)})
        await socket.next("1")

        await until(lambda: api.server.mirror.size > 0)
        reply = await api.request("GET", "/metrics", token=token)

    lines = reply.body.splitlines()
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain; version=")
    assert "headless_connections 1.0" in lines
    assert "headless_subscriptions 1.0" in lines
    assert f"headless_mirrored_products {api.server.mirror.size:.1f}" in lines
    assert "headless_events_delivered_total 1.0" in lines
    assert "headless_events_cut_total 0.0" in lines
    assert 'headless_book_violations{check="ledger"} 0.0' in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)


async def test_nobody_else_sees_metrics(api: Api) -> None:
    token = await api.token(Permission.READ_ORDERS)

    anonymous = await api.request("GET", "/metrics")
    other = await api.request("GET", "/metrics", token=token)
    unknown = await api.request("GET", "/metrics", token="hl_x")

    assert [reply.status for reply in (anonymous, other, unknown)] == [401, 403, 401]
    assert [reply.body["errors"][0]["extensions"]["code"] for reply in (anonymous, other, unknown)] == [
        "UNAUTHENTICATED",
        "FORBIDDEN",
        "UNAUTHENTICATED",
    ]
