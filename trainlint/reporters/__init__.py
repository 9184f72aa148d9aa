"""Findings for people and for programs, one module for each format."""

# For people, and then for programs; `formats.render` makes each.
HUMAN = ("text", "concise")
FORMATS = (*HUMAN, "json", "jsonl", "sarif", "github", "gitlab", "junit")
