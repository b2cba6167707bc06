"""Owns placed orders: their lines, totals, derived statuses and cancellation. Knows no carts."""
