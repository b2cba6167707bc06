"""Owns carts while shopping: lines, buyer, addresses, what would stop a checkout. Reserves nothing, knows no orders."""
