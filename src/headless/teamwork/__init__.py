"""Owns what people leave behind on records: revisions, comments. Knows a record only by its kind, its id and JSON."""
