"""Owns the shop's name and its channels (market: currency, country, language). Knows no products."""
