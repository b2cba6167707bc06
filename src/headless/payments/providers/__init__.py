"""How each payment provider is asked."""
