"""What do the messages of graphql-transport-ws say? What can't be understood closes the socket."""

from datetime import datetime
from typing import Any

import orjson

from headless.accounts.rules import Actor
from headless.graphql.server.execution import Request

LARGEST_FRAME = 64 * 1024
LONGEST_ID = 200


class Close(Exception):
    """The socket ends here."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def parsed(text: str) -> dict[str, Any]:
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Close(4400, "The frame is no valid JSON.") from None
    if not isinstance(message, dict):
        raise Close(4400, "A message is a JSON object.")
    return message


def id_of(message: dict[str, Any]) -> str:
    operation_id = message.get("id")
    if not isinstance(operation_id, str) or not 1 <= len(operation_id) <= LONGEST_ID:
        raise Close(4400, "A message needs an id: a text that isn't empty.")
    return operation_id


def request(message: dict[str, Any]) -> Request:
    payload = message.get("payload")
    if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
        raise Close(4400, "The payload of subscribe is an object with a query.")
    variables, name = payload.get("variables"), payload.get("operationName")
    if variables is not None and not isinstance(variables, dict):
        raise Close(4400, "Variables are an object.")
    if name is not None and not isinstance(name, str):
        raise Close(4400, "The operationName is a text.")
    return Request(payload["query"], variables or {}, name or None)


def authorization(payload: dict[str, Any]) -> str | None:
    """The bearer token wherever clients put it: `authorization`, `headers.authorization` or `authToken`."""
    nested = payload.get("headers")
    for values in (payload, nested if isinstance(nested, dict) else {}):
        for name, value in values.items():
            if name.lower() == "authorization" and value is not None and value != "":
                return str(value)
    token = payload.get("authToken")
    return None if token is None or token == "" else f"Bearer {token}"


def acknowledgement(actor: Actor, *, ping_seconds: float, now: datetime) -> str:
    """Let a client in, and tell it when to expect a ping and until when its token is good."""
    payload = {
        "keepAliveIntervalMs": round(ping_seconds * 1000),
        "sessionExpiresAt": actor.expires_at,
        "serverTime": now,
    }
    return orjson.dumps({"type": "connection_ack", "payload": payload}, option=orjson.OPT_UTC_Z).decode()
