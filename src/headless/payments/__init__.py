"""Owns payments and refunds, and how providers are asked. Knows checkouts and orders only by id."""
