"""Products, variants, pictures and collections, as shoppers and staff see them."""
