"""Owns what things cost: variants' prices per channel, and the arithmetic of totals. Knows no stock, carts or orders."""
