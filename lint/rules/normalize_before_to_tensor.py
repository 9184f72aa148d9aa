"""TRN607."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.data import composed, transform_name
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule

_TO_TENSOR = ("ToTensor", "PILToTensor", "ToImage", "ToImageTensor")
_ON_TENSORS = ("Normalize", "RandomErasing", "ConvertImageDtype", "LinearTransformation")


@rule("TRN607", Severity.ERROR, needs=(b"ToTensor", b"ToImage"))
def normalize_before_to_tensor(script: Script) -> Iterator[Finding]:
    """A transform that takes tensors stands before the one that makes the image a tensor.

    `Normalize` and `RandomErasing` take tensors, `ToTensor` takes a PIL image or an array: in this
    order one of the two fails, whatever is put in (`RandomErasing` on the images that it picks).
    `Normalize` of `transforms.v2` fails on PIL images, and leaves arrays as they are.

    Only torchvision's own transforms are meant, with nothing between the two that makes an image of
    a tensor again.

    Bad:
        from torchvision import transforms

        transform = transforms.Compose([
            transforms.Resize(224),
            transforms.Normalize((0.5,), (0.5,)),  # TRN607
            transforms.ToTensor(),
        ])
    Good:
        from torchvision import transforms

        transform = transforms.Compose([
            transforms.Resize(224),
            transforms.ToTensor(),
            transforms.Normalize((0.5,), (0.5,)),
        ])

    Source: the documentation of torchvision.transforms.Normalize: "This transform does not support
    PIL Image"; each pair was tried with torchvision 0.29.
    """
    for event in script.events("call"):
        if transform_name(event.result) == "Compose" and event.site.script is script:
            yield from _misplaced(event)


def _misplaced(event: Event) -> Iterator[Finding]:
    items = composed(event.result)
    names = [transform_name(item) for item in items]
    for index, name in enumerate(names):
        if name not in _ON_TENSORS or any(one in _TO_TENSOR for one in names[:index]):
            continue
        after = next((n for n in range(index, len(names)) if names[n] in _TO_TENSOR), None)
        if after is not None and all(names[: after + 1]) and "ToPILImage" not in names[:after]:
            yield _finding(event, items[index], names[index], items[after], names[after])


def _finding(event: Event, item: Value, name: str, later: Value, later_name: str) -> Finding:
    site = item.site if isinstance(item, Obj) else None
    place = later.site if isinstance(later, Obj) else None
    return found(
        site or event.site,
        f"`{name}` takes a tensor, but stands before `{later_name}`, which makes one: this raises a"
        " TypeError",
        related=[(place, "here the image becomes a tensor")] if place else [],
        hint=f"put `{name}` after `{later_name}`",
    )
