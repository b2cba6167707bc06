"""The use case that turns a cart into an order exactly once: holds stock, freezes prices, has the payment made."""
