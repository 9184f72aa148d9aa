"""The probes: each observes one thing, and never changes it. Only the child imports them."""
