"""The rules: one file each, which ask the `Script` and never the syntax."""
