"""Owns products, variants, media, collections and what lists show of them. Knows no prices' origin, stock or carts."""
