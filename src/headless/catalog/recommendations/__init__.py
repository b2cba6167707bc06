"""Owns what else a buyer of a product may like. Knows no orders: whoever counts them tells."""
