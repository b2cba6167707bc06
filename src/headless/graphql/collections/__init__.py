"""How staff put collections together."""
