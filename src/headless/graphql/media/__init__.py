"""Pictures and videos of products: how they are sent, arranged and served."""
