"""The half that reads: files, parsing, lowering to a `Script`, rules."""
