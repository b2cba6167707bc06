"""Owns who acts: API tokens, permissions, the Actor of an operation. Knows nothing of what is acted on."""
