"""What every domain stands on and what knows nothing of commerce: database, ids, money, facts, live hub."""
