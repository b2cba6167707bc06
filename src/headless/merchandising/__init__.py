"""Use cases that touch catalog, prices and stock at once: making products, CSV import, the demo shop. Knows no carts or orders."""
