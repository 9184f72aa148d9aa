"""TRN000: suppressions that excuse nothing."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.model import Script
from trainlint.lint.rule import rule


@rule("TRN000", needs=(b"trainlint:",))
def unused_suppression(script: Script) -> Iterator[Finding]:
    """A comment excuses code from a rule that finds nothing there.

    The mistake was mended, or the code misspelt; the comment would hide the next mistake of that
    kind on its line. It is told of `# trainlint: …` and of `# noqa: TRN…`, and only where the rules
    that the comment names were asked: not of a rule that is switched off for the file, of codes of
    other tools, or of a bare `# noqa`. It is judged last, when all other rules have spoken.

    Fix safety: safe; only the comment, or the codes in it that are not needed, are taken away.

    Source: ruff's unused-noqa (RUF100) and mypy's warn_unused_ignores.

    Bad:
        import torch

        model = torch.nn.Linear(4, 2)  # trainlint: ignore[TRN001]  # TRN000
    Good:
        import torch

        model = torch.nn.Linear(4, 2)
    """
    yield from ()
