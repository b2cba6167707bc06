"""The API: one typed schema over all domains, and how it is served. Back edges between domains live here alone."""
