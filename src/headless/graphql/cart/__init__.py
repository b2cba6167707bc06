"""Carts in the API: what they look like and how they are changed."""
