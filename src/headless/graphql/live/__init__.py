"""How does the API tell of what happens? The present state first, then every change; resumable by cursor."""
