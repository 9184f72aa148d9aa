"""Lowering: one libcst tree becomes names, values, events in program order, and claims."""
