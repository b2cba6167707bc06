"""Can staff talk about a record, live, and does nobody else hear of it?"""

from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.catalog import service as catalog
from headless.graphql.teamwork.comments import READING
from headless.platform import ids
from tests.builders import Shop
from tests.graphql.client import Api, bought, of, ready_cart

FIELDS = """id body author mentions editedAt deletedAt resolvedAt resolvedBy parent { id } subject { id }
  replies { nodes { id body author } }"""
ADD = f"mutation($i: CommentAddInput!) {{ commentAdd(input: $i) {{ comment {{ {FIELDS} }} userErrors {{ code field }} }} }}"
EDIT = f"mutation($i: CommentUpdateInput!) {{ commentUpdate(input: $i) {{ comment {{ {FIELDS} }} userErrors {{ code field }} }} }}"
RESOLVE = f"mutation($i: CommentResolveInput!) {{ commentResolve(input: $i) {{ comment {{ {FIELDS} }} userErrors {{ code field }} }} }}"
REOPEN = f"mutation($i: CommentReopenInput!) {{ commentReopen(input: $i) {{ comment {{ {FIELDS} }} userErrors {{ code field }} }} }}"
DELETE = "mutation($i: CommentDeleteInput!) { commentDelete(input: $i) { deletedCommentId userErrors { code field } } }"
LIST = """query($id: ID!, $resolved: Boolean, $first: Int, $after: String) {
  comments(subjectId: $id, resolved: $resolved, first: $first, after: $after) {
    totalCount pageInfo { endCursor hasNextPage } nodes { id body deletedAt replies { nodes { body } } }
  }
}"""
FOLLOW = """subscription($id: ID, $after: String) {
  commentAdded(subjectId: $id, after: $after) { __typename id cursor occurredAt comment { body author subject { id } } }
}"""
WRITERS = {"product": Permission.WRITE_PRODUCTS, "order": Permission.WRITE_ORDERS}


async def call(api: Api, document: str, *, token: str | None = None, **wanted: Any) -> Any:
    reply = await api.execute(document, {"i": wanted}, token=token or await api.token(Permission.WRITE_PRODUCTS))
    (answer,) = reply.data.values()
    return answer


async def said(api: Api, subject: str, body: str, *, token: str | None = None, **rest: Any) -> str:
    made = await call(api, ADD, token=token, subjectId=subject, body=body, **rest)
    assert made["userErrors"] == []
    return str(made["comment"]["id"])


async def listed(api: Api, subject: str, *, token: str | None = None, **rest: Any) -> Any:
    token = token or await api.token(Permission.READ_PRODUCTS)
    return (await api.execute(LIST, {"id": subject, **rest}, token=token)).data["comments"]


async def test_comment_is_made_with_everything(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    first = await said(api, mug, "Which color?")

    made = await call(api, ADD, subjectId=mug, body="  Blue. ", parentId=first, mentions=["Robot", "Robot"])

    assert made["userErrors"] == []
    assert made["comment"] == {
        "id": made["comment"]["id"], "body": "Blue.", "author": "Robot", "mentions": ["Robot"], "editedAt": None,
        "deletedAt": None, "resolvedAt": None, "resolvedBy": None, "parent": {"id": first}, "subject": {"id": mug},
        "replies": {"nodes": []},
    }  # fmt: skip
    found = await listed(api, mug)
    assert found["totalCount"] == 1
    assert [(node["body"], node["replies"]["nodes"]) for node in found["nodes"]] == [
        ("Which color?", [{"body": "Blue."}])
    ]


@pytest.mark.parametrize("kind", sorted(READING))
async def test_every_kind_of_record_is_commented_on_and_shows_it(api: Api, shop: Shop, kind: str) -> None:
    token = await api.every_token()
    if kind == "order":
        subject = (await bought(api, await ready_cart(api, shop.mug)))["id"]
    elif kind == "collection":
        async with api.server.database.transaction() as session:
            subject = of(
                "collection", await catalog.create_collection(session, handle="all", title="All", description_html="")
            )
    else:
        subject = {"product": of("product", shop.secret_product), "variant": of("variant", shop.mug)}[kind]
    type_name = {"product": "Product", "variant": "ProductVariant", "collection": "Collection", "order": "Order"}[kind]
    comment = await said(api, subject, "Hm", token=token)

    shown = f"query($id: ID!) {{ node(id: $id) {{ ... on {type_name} {{ comments {{ nodes {{ id subject {{ id __typename }} }} }} }} }} }}"
    found = await api.execute(shown, {"id": subject}, token=token)

    assert found.data["node"]["comments"]["nodes"] == [
        {"id": comment, "subject": {"id": subject, "__typename": type_name}}
    ]


async def test_buyer_never_sees_what_staff_say_of_his_order(api: Api, shop: Shop) -> None:
    order = await bought(api, await ready_cart(api, shop.mug))
    comment = await said(api, order["id"], "He calls every day", token=await api.token(Permission.WRITE_ORDERS))
    own = (
        "query($id: ID!, $token: String) { order(id: $id, accessToken: $token) { number comments { nodes { body } } } }"
    )
    wanted = {"id": order["id"], "token": order["accessToken"]}

    buyer = await api.execute(own, wanted)
    other = await api.execute(own, wanted, token=await api.token(Permission.WRITE_PRODUCTS))
    nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename } }"
    by_id = [
        await api.execute(nodes, {"ids": [comment]}, token=token)
        for token in (None, await api.token(Permission.WRITE_PRODUCTS))
    ]

    assert buyer.body["data"]["order"]["comments"] is None
    assert (buyer.codes, other.codes) == (["UNAUTHENTICATED"], ["FORBIDDEN"])
    assert "He calls" not in str((buyer.body, other.body))
    assert [reply.data for reply in by_id] == [{"nodes": [None]}, {"nodes": [None]}]


async def test_permissions_follow_the_record(api: Api, shop: Shop) -> None:
    mug, order = of("product", shop.mug_product), (await bought(api, await ready_cart(api, shop.mug)))["id"]
    comment = await said(api, order, "Hm", token=await api.token(Permission.WRITE_ORDERS))
    tokens = {
        "anonymous": None,
        "reads products": await api.token(Permission.READ_PRODUCTS),
        "writes products": await api.token(Permission.WRITE_PRODUCTS),
        "reads orders": await api.token(Permission.READ_ORDERS),
    }
    codes = {}
    for name, token in tokens.items():
        replies = [
            await api.execute(LIST, {"id": mug}, token=token),
            await api.execute(LIST, {"id": order}, token=token),
            await api.execute(ADD, {"i": {"subjectId": mug, "body": "x"}}, token=token),
            await api.execute(ADD, {"i": {"subjectId": order, "body": "x"}}, token=token),
            await api.execute(RESOLVE, {"i": {"id": comment}}, token=token),
        ]
        codes[name] = [
            (reply.codes or [one["code"] for one in next(iter(reply.data.values())).get("userErrors", ())] or ["-"])[0]
            for reply in replies
        ]

    assert codes == {
        "anonymous": ["UNAUTHENTICATED"] * 5,
        "reads products": ["-", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "NOT_FOUND"],
        "writes products": ["-", "FORBIDDEN", "-", "FORBIDDEN", "NOT_FOUND"],
        "reads orders": ["FORBIDDEN", "-", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN"],
    }


@pytest.mark.parametrize(
    ("rest", "code", "field"),
    [
        ({"body": ""}, "INVALID_INPUT", ["body"]),
        ({"body": "  \n"}, "INVALID_INPUT", ["body"]),
        ({"body": "x" * 5001}, "INVALID_INPUT", ["body"]),
        ({"body": "call 4242 4242 4242 4242 now"}, "CARD_NUMBER_REFUSED", ["body"]),
        ({"mentions": ["Robot", "Nobody"]}, "INVALID_INPUT", ["mentions", "1"]),
        ({"mentions": [f"n{nth}" for nth in range(21)]}, "INVALID_INPUT", ["mentions"]),
        ({"parentId": "x"}, "NOT_FOUND", ["parentId"]),
        ({"parentId": of("comment", ids.new())}, "NOT_FOUND", ["parentId"]),
        ({"subjectId": of("product", ids.new())}, "NOT_FOUND", ["subjectId"]),
        ({"subjectId": "product_x"}, "NOT_FOUND", ["subjectId"]),
        ({"subjectId": of("cart", ids.new())}, "NOT_FOUND", ["subjectId"]),
    ],
)
async def test_bad_comment_is_refused_and_nothing_is_said(
    api: Api, shop: Shop, rest: dict[str, Any], code: str, field: list[str]
) -> None:
    mug = of("product", shop.mug_product)

    refused = await call(api, ADD, **{"subjectId": mug, "body": "Hm", **rest})

    assert refused == {"comment": None, "userErrors": [{"code": code, "field": field}]}
    assert (await listed(api, mug))["totalCount"] == 0


async def test_threads_have_one_level_and_stay_with_their_record(api: Api, shop: Shop) -> None:
    mug, poster = of("product", shop.mug_product), of("product", shop.poster_product)
    first = await said(api, mug, "One")
    answer = await said(api, mug, "Two", parentId=first)

    deeper = await call(api, ADD, subjectId=mug, body="Three", parentId=answer)
    elsewhere = await call(api, ADD, subjectId=poster, body="Three", parentId=first)
    closed = await call(api, RESOLVE, id=answer)

    assert [one["userErrors"] for one in (deeper, elsewhere, closed)] == [
        [{"code": "INVALID_INPUT", "field": ["parentId"]}],
        [{"code": "NOT_FOUND", "field": ["parentId"]}],
        [{"code": "INVALID_INPUT", "field": ["id"]}],
    ]


async def test_thread_is_resolved_and_opened_again(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    first, other = await said(api, mug, "One"), await said(api, mug, "Two")

    closed = (await call(api, RESOLVE, id=first))["comment"]
    again = (await call(api, RESOLVE, id=first))["comment"]
    counts = [(await listed(api, mug, resolved=one))["totalCount"] for one in (True, False, None)]
    opened = (await call(api, REOPEN, id=first))["comment"]

    assert closed["resolvedBy"] == "Robot"
    assert closed["resolvedAt"] == again["resolvedAt"] is not None
    assert counts == [1, 1, 2]
    assert (opened["resolvedAt"], opened["resolvedBy"]) == (None, None)
    assert [node["id"] for node in (await listed(api, mug, resolved=False))["nodes"]] == [first, other]


async def test_only_its_author_changes_a_comment(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    comment = await said(api, mug, "One", token=await api.every_token())

    refused = [await call(api, EDIT, id=comment, body="Two"), await call(api, DELETE, id=comment)]
    changed = await call(api, EDIT, token=await api.every_token(), id=comment, body="Three")

    assert [one["userErrors"] for one in refused] == [[{"code": "NOT_YOUR_COMMENT", "field": ["id"]}]] * 2
    assert changed["comment"]["body"] == "Three"
    assert changed["comment"]["editedAt"] is not None


async def test_deleted_comment_leaves_its_place_to_the_answers(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    first, alone = await said(api, mug, "One"), await said(api, mug, "Alone")
    await said(api, mug, "Two", parentId=first)

    gone = [await call(api, DELETE, id=one) for one in (first, alone)]

    assert gone == [{"deletedCommentId": one, "userErrors": []} for one in (first, alone)]
    (left,) = (await listed(api, mug))["nodes"]
    assert (left["id"], left["body"], left["replies"]["nodes"]) == (first, "", [{"body": "Two"}])
    assert left["deletedAt"] is not None
    refused = await call(api, EDIT, id=first, body="Back")
    assert refused["userErrors"] == [{"code": "NOT_FOUND", "field": ["id"]}]


async def test_comments_are_read_page_by_page_in_few_statements(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    for nth in range(5):
        first = await said(api, mug, str(nth))
        await said(api, mug, f"{nth}!", parentId=first)
    token = await api.token(Permission.READ_PRODUCTS)
    found, after = [], None
    while True:
        reply = await api.execute(LIST, {"id": mug, "first": 2, "after": after}, token=token)
        found += [node["body"] for node in reply.data["comments"]["nodes"]]
        assert reply.statements <= 6
        if not reply.data["comments"]["pageInfo"]["hasNextPage"]:
            break
        after = reply.data["comments"]["pageInfo"]["endCursor"]

    assert found == ["0", "1", "2", "3", "4"]


async def test_staff_hear_of_comments_live_and_after_an_absence(api: Api, shop: Shop) -> None:
    mug, poster = of("product", shop.mug_product), of("product", shop.poster_product)
    token = await api.token(Permission.READ_PRODUCTS)
    async with api.socket() as socket:
        await socket.init({"authToken": token})
        await socket.subscribe("1", FOLLOW, {"id": mug})
        marker = (await socket.next("1"))["commentAdded"]
        await said(api, poster, "Elsewhere")
        await said(api, mug, "One")
        first = (await socket.next("1"))["commentAdded"]
        assert await socket.is_usable()
    await said(api, mug, "Two")
    await api.settled()
    async with api.socket() as socket:
        await socket.init({"authToken": token})
        await socket.subscribe("1", FOLLOW, {"id": mug, "after": first["cursor"]})
        second = (await socket.next("1"))["commentAdded"]
        await socket.subscribe("2", FOLLOW, {"id": poster, "after": first["cursor"]})
        assert await socket.refusal("2") == ["RESYNC_REQUIRED"]

    assert (marker["__typename"], marker["comment"]) == ("CommentAdded", None)
    assert first["comment"] == {"body": "One", "author": "Robot", "subject": {"id": mug}}
    assert second["comment"]["body"] == "Two"
    assert len({marker["id"], first["id"], second["id"]}) == 3


async def test_whoever_follows_all_hears_only_of_what_he_may_read(api: Api, shop: Shop) -> None:
    order = (await bought(api, await ready_cart(api, shop.mug)))["id"]
    async with api.socket() as socket:
        await socket.init({"authToken": await api.token(Permission.READ_PRODUCTS)})
        await socket.subscribe("1", FOLLOW)
        await socket.next("1")
        await said(api, order, "Of an order", token=await api.token(Permission.WRITE_ORDERS))
        await said(api, of("product", shop.mug_product), "Of a product")

        assert (await socket.next("1"))["commentAdded"]["comment"]["body"] == "Of a product"
        assert await socket.is_usable()


@pytest.mark.parametrize(
    ("permission", "kind", "code"),
    [
        (None, None, "UNAUTHENTICATED"),
        (None, "product", "UNAUTHENTICATED"),
        (None, "order", "UNAUTHENTICATED"),
        (Permission.WRITE_SETTINGS, None, "FORBIDDEN"),
        (Permission.WRITE_ORDERS, "product", "FORBIDDEN"),
        (Permission.WRITE_PRODUCTS, "order", "FORBIDDEN"),
        (Permission.WRITE_PRODUCTS, "unknown", "NOT_FOUND"),
    ],
)
async def test_nobody_else_follows_comments(
    api: Api, shop: Shop, permission: Permission | None, kind: str | None, code: str
) -> None:
    order = (await bought(api, await ready_cart(api, shop.mug)))["id"]
    subject = {
        None: None,
        "product": of("product", shop.mug_product),
        "order": order,
        "unknown": of("product", ids.new()),
    }[kind]
    async with api.socket() as socket:
        await socket.init({"authToken": await api.token(permission)} if permission else None)
        await socket.subscribe("1", FOLLOW, {"id": subject})

        assert await socket.refusal("1") == [code]
        assert await socket.is_usable()
    assert api.listeners == 0


async def test_comments_are_no_topic_of_the_events_for_integrators(api: Api, shop: Shop) -> None:
    async with api.socket() as socket:
        await socket.init({"authToken": await api.every_token()})
        await socket.subscribe("1", "subscription { events { topic payload } }")
        await socket.next("1")
        await socket.subscribe("2", 'subscription { events(topics: ["comment.added"]) { topic } }')
        assert await socket.refusal("2") == ["BAD_USER_INPUT"]
        await said(api, of("product", shop.mug_product), "Hm")
        await api.settled()

        assert await socket.is_usable()
