"""Owns what things cost: variants' prices per channel, the arithmetic of totals. Knows no stock, carts or orders."""
