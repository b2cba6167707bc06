"""Many products at once, and products set whole. Knows no tables."""
