"""Where the project and its manuals stand on the web."""

from __future__ import annotations

HOME = "https://github.com/torch-trainlint/torch-trainlint"


def manual_url(code: str) -> str:
    """The page of a rule or detector."""
    return f"{HOME}/blob/main/docs/rules/{code}.md"
