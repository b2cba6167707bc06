"""Owns what lists are searched and narrowed by: an index of words and of facets, written with the product itself."""
