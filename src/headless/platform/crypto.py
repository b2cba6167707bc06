"""How are secrets made, kept and compared?"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass


def new_token(prefix: str) -> str:
    """Make an opaque bearer token of 256 random bits."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def digest(token: str) -> bytes:
    """The SHA-256 under which a token of full entropy is stored."""
    return hashlib.sha256(token.encode()).digest()


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Read unpadded base64url (RFC 4648 section 5); raises ValueError."""
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))


@dataclass(frozen=True, slots=True)
class Signer:
    """HMAC-SHA-256 (RFC 2104) under rotating secrets: the first signs, all verify."""

    secrets: tuple[bytes, ...]

    def sign(self, purpose: str, message: bytes, *, size: int = 32) -> bytes:
        return self._mac(self.secrets[0], purpose, message)[:size]

    def verify(self, purpose: str, message: bytes, signature: bytes, *, size: int = 32) -> bool:
        matches = [
            hmac.compare_digest(self._mac(secret, purpose, message)[:size], signature) for secret in self.secrets
        ]
        return any(matches)

    @staticmethod
    def _mac(secret: bytes, purpose: str, message: bytes) -> bytes:
        return hmac.digest(secret, purpose.encode() + b"\0" + message, "sha256")
