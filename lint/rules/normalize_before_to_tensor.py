"""TRN607."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.data import composed, transform_name, transform_of, vision_class
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule

_TO_TENSOR = ("ToTensor", "PILToTensor", "ToImage", "ToImageTensor")
_ON_TENSORS = ("Normalize", "RandomErasing", "ConvertImageDtype", "LinearTransformation")
# The second version's, which refuse an image; its others let one pass as it is.
_REFUSING = ("Normalize", "LinearTransformation")
_SECOND = "torchvision.transforms.v2."


@rule("TRN607", Severity.ERROR, needs=(b"ToTensor", b"ToImage"))
def normalize_before_to_tensor(script: Script) -> Iterator[Finding]:
    """A transform that takes tensors stands before the one that makes the image a tensor.

    `Normalize` and `RandomErasing` take tensors, `ToTensor` takes a PIL image or an array: in this
    order one of the two fails, whatever is put in (`RandomErasing` on the images that it picks).
    `Normalize` of `transforms.v2` fails on PIL images, and leaves arrays as they are.

    Only torchvision's own transforms are meant, with nothing between the two that makes an image of
    a tensor again. `ToImage` and its like of `transforms.v2` take tensors as well: there, the
    transform must be that of one of torchvision's datasets, which give PIL images.

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
    of_images = set(_of_images(script))
    for event in script.events("call"):
        if transform_name(event.result) == "Compose" and event.site.script is script:
            yield from _misplaced(event, event.result in of_images)


def _of_images(script: Script) -> Iterator[Value | None]:
    """The transforms that are given PIL images: those of torchvision's datasets."""
    for event in script.events("make"):
        made = event.result
        if vision_class(made) and isinstance(made, Obj) and "loader" not in made.kwargs:
            yield transform_of(made)


def _misplaced(event: Event, of_images: bool) -> Iterator[Finding]:
    items = composed(event.result)
    names = [transform_name(item) for item in items]
    for index, name in enumerate(names):
        if name not in _ON_TENSORS or any(one in _TO_TENSOR for one in names[:index]):
            continue
        after = next((n for n in range(index, len(names)) if names[n] in _TO_TENSOR), None)
        if after is None or not all(names[: after + 1]) or "ToPILImage" in names[:after]:
            continue
        if _lets_pass(items[index], items[after], of_images):
            continue
        yield _finding(event, items[index], names[index], items[after], names[after])


def _lets_pass(item: Value, later: Value, of_images: bool) -> bool:
    """Whether there is something that the two take in this order."""
    if _is_second(item) and transform_name(item) not in _REFUSING:
        return True
    return _is_second(later) and not of_images


def _is_second(transform: Value) -> bool:
    return isinstance(transform, Obj) and transform.qualname.startswith(_SECOND)


def _finding(event: Event, item: Value, name: str, later: Value, later_name: str) -> Finding:
    site = item.site if isinstance(item, Obj) else None
    place = later.site if isinstance(later, Obj) else None
    return found(
        site or event.site,
        f"`{name}` takes a tensor, but stands before `{later_name}`, which makes the image one",
        related=[(place, "here the image becomes a tensor")] if place else [],
        hint=f"put `{name}` after `{later_name}`",
    )
