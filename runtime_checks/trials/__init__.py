"""The trials: the same bounded run with one change, from the same seeds."""
