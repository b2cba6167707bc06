"""Stock in the API: what staff see of it and do with it, and what shoppers wait for."""
