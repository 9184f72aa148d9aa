"""TRN711."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN711", Severity.ERROR, needs=(b"load_state_dict",))
def load_result_assigned(script: Script) -> Iterator[Finding]:
    """The result of `load_state_dict` takes the model's place.

    `load_state_dict` loads in place and returns the keys that did not fit. `model =
    model.load_state_dict(…)` leaves a tuple of names where the model was.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        model = model.load_state_dict(torch.load("model.pth"))  # TRN711
        model.eval()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        model.load_state_dict(torch.load("model.pth"))
        model.eval()

    Fix safety: the fix takes the assignment away; nothing could be done with its value.
    Source: the documentation of torch.nn.Module.load_state_dict.
    """
    loads = {e.result: e for e in script.events("load") if e.callee == "load_state_dict"}
    used = ("eval", "train", "opaque", "forward", "state")
    for event in script.events(*used):
        load = loads.pop(event.receiver, None)
        if load is not None:
            yield found(
                load.site,
                "`load_state_dict` returns the keys that did not fit, not the model: what it is"
                " assigned to is no model",
                related=[(event.site, "it is used as one here")],
                hint=f"call it on its own: `{load.site.text}`",
            )
