"""The detectors: one file each, pure functions over a `Run`."""
