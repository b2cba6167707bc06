"""Values that a shop adds to its products, variants and collections, and the definitions that give them their shape."""
