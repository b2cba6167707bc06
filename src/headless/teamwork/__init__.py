"""Owns revisions of records, comments on them and the checklist. Knows a record only by its kind, its id and JSON."""
