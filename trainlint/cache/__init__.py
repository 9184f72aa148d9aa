"""What is kept of a check, so that the next one need not ask again about what has not changed."""
