"""The language server: what `trainlint check` finds, told to an editor while code is written."""
