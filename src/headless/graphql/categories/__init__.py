"""The tree of categories, as shoppers and staff see it."""
