"""What does a test of many streams get? The server that the API's tests talk to."""

from tests.graphql.conftest import api, logs, settings

__all__ = ["api", "logs", "settings"]
