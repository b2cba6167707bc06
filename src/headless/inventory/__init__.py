"""Owns locations, stock levels, what is promised of them and the ledger of every movement. Knows no carts or orders."""
