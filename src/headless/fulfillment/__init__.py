"""Owns delivery zones and rates, shipments and their tracking. Knows orders only by id."""
