"""Use cases over catalog, prices and stock: making products, CSV import, the demo shop. Knows no carts or orders."""
