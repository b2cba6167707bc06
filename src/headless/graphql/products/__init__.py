"""Staff make and change products through these."""
