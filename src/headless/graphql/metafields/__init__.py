"""Metafields and their definitions, as shoppers and staff see them."""
