"""Which kinds of answer does a client take? Its `Accept` says so (RFC 9110, section 12.5.1)."""

from dataclasses import dataclass

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
EVENT_STREAM = "text/event-stream"
MULTIPART = "multipart/mixed"
SPEC = "subscriptionspec"
"""The parameter by which Apollo's clients tell their subscription protocol from other multipart answers."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The best media type for a single answer and for a stream of them; None where none is taken."""

    single: str | None
    stream: str | None

    @property
    def is_none(self) -> bool:
        return self.single is None and self.stream is None


def accepted(accept: str) -> Accepted:
    """Read an `Accept`. Streams have to be named: a wildcard doesn't mean them."""
    if not accept.strip():
        return Accepted(JSON, None)
    weights: dict[str, float] = {}
    for entry in accept.split(","):
        media_type, *parameters = (part.strip().lower() for part in entry.split(";"))
        given = dict(part.partition("=")[::2] for part in parameters)
        if media_type == MULTIPART and given.get(SPEC, "").strip('"') != "1.0":
            continue
        weights[media_type] = _weight(given.get("q", "1"))
    everything = max(weights.get("*/*", 0.0), weights.get("application/*", 0.0))
    offered = {JSON: weights.get(JSON, everything), GRAPHQL: weights.get(GRAPHQL, everything)}
    # At equal weight the specification's own type wins if it was named, plain JSON otherwise.
    order = (GRAPHQL, JSON) if GRAPHQL in weights else (JSON, GRAPHQL)
    single = max(order, key=lambda media_type: offered[media_type])
    stream = max((EVENT_STREAM, MULTIPART), key=lambda media_type: weights.get(media_type, 0.0))
    return Accepted(single if offered[single] > 0 else None, stream if weights.get(stream, 0.0) > 0 else None)


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
