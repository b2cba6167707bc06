"""What people do together on records: their history, their comments, their checklist."""
