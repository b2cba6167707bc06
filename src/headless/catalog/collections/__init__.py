"""Collections: people put products into some, others hold whatever meets their rules."""
