"""Orders in the API: what they look like and how staff move them on."""
