"""The tree of categories: what kind of thing each product is."""
