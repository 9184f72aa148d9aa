"""TRN608."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding
from trainlint.lint.data import (
    composed,
    loaders,
    option,
    passes,
    transform_name,
    transform_of,
    vision_class,
)
from trainlint.lint.lower.syntax import children, constant_of, statements
from trainlint.lint.lower.values import Value
from trainlint.lint.model import Loop, Script, Site
from trainlint.lint.rule import found, rule

_MOVES = frozenset({"to", "cuda", "float", "view", "reshape", "flatten", "contiguous", "type",
                    "squeeze", "unsqueeze", "cpu", "requires_grad_", "double", "half"})  # fmt: skip
# Transforms after which values still lie between 0 and 1.
_KEEP = ("Resize", "CenterCrop", "Pad", "Grayscale", "ToTensor", "RandomErasing", "ColorJitter")


@rule("TRN608", needs=(b"ToTensor",))
def scaled_twice(script: Script) -> Iterator[Finding]:
    """Images that ToTensor has scaled to 0 to 1 are divided by 255 once more.

    `ToTensor` divides 8-bit images by 255 itself. Divided again, all inputs are smaller than 0.004:
    the first layer sees next to nothing, and learning is slow.

    Reported where a loop goes over a loader of torchvision's data whose transform ends in ToTensor,
    and divides the batch, before it is anything else, by the constant 255.

    Bad:
        import torch
        from torch.utils.data import DataLoader
        from torchvision import datasets, transforms

        data = datasets.MNIST("data", transform=transforms.ToTensor())
        loader = DataLoader(data, batch_size=64, shuffle=True)
        for images, labels in loader:
            images = images.float() / 255  # TRN608
            print(images.mean())
    Good:
        import torch
        from torch.utils.data import DataLoader
        from torchvision import datasets, transforms

        data = datasets.MNIST("data", transform=transforms.ToTensor())
        loader = DataLoader(data, batch_size=64, shuffle=True)
        for images, labels in loader:
            print(images.mean())

    Source: the documentation of torchvision.transforms.ToTensor, on its scaling.
    """
    for event in loaders(script):
        dataset = option(event.result, "dataset")
        if not vision_class(dataset) or not _is_scaled(transform_of(dataset)):
            continue
        for one in passes(script, event.result):
            for node in _divisions(one.loop):
                yield _finding(one.loop, node, transform_of(dataset))


def _is_scaled(transform: Value | None) -> bool:
    names = [transform_name(one) for one in composed(transform)]
    if "ToTensor" not in names:
        return False
    after = names[names.index("ToTensor") :]
    return all(name in _KEEP or name.startswith("Random") for name in after)


def _divisions(loop: Loop) -> Iterator[cst.CSTNode]:
    """Where the loop's batch is divided by 255 while it is still what the loader gave."""
    node = loop.site.node
    name = _batch_name(node)
    if name is None or not isinstance(node, cst.For):
        return
    for statement in statements(node.body):
        divided = _division_in(statement, name)
        if divided is not None:
            yield divided
            return
        if not _leaves_alone(statement, name):
            return


def _batch_name(node: cst.CSTNode) -> str | None:
    """The name of the images in the loop's target: the first of a pair, behind a counter or not."""
    target = node.target if isinstance(node, cst.For) else None
    if isinstance(target, cst.Tuple) and len(target.elements) == 2:
        second = target.elements[1].value
        if isinstance(second, cst.Tuple) and len(second.elements) == 2:
            target = second
        first = target.elements[0].value
        return first.value if isinstance(first, cst.Name) else None
    return None


def _division_in(statement: cst.CSTNode, name: str) -> cst.CSTNode | None:
    for node in _below(statement):
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Divide):
            parts = (node.left, node.right)
        elif isinstance(node, cst.AugAssign) and isinstance(node.operator, cst.DivideAssign):
            parts = (node.target, node.value)
        else:
            continue
        if _is_batch(parts[0], name) and constant_of(parts[1]) in ((True, 255), (True, 255.0)):
            return node
    return None


def _below(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """A simple statement's nodes; what stands in inner blocks is left out."""
    if isinstance(node, cst.BaseCompoundStatement):
        return
    yield node
    for child in children(node):
        yield from _below(child)


def _is_batch(node: cst.CSTNode, name: str) -> bool:
    """`images`, or `images.float().to(device)`."""
    while isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        if node.func.attr.value not in _MOVES:
            return False
        node = node.func.value
    return isinstance(node, cst.Name) and node.value == name


def _leaves_alone(statement: cst.CSTNode, name: str) -> bool:
    """Whether a statement binds the batch's name to nothing but the batch itself, moved."""
    if isinstance(statement, cst.BaseCompoundStatement):
        return False
    if not isinstance(statement, cst.Assign):
        return True
    below = [node for target in statement.targets for node in _below(target.target)]
    if all(node.value != name for node in below if isinstance(node, cst.Name)):
        return True
    value, target = statement.value, statement.targets[0].target
    if isinstance(value, cst.Tuple) and isinstance(target, cst.Tuple):
        pairs = zip(target.elements, value.elements, strict=False)
        return all(_is_batch(v.value, name) for t, v in pairs if _is_batch(t.value, name))
    return _is_batch(value, name)


def _finding(loop: Loop, node: cst.CSTNode, transform: Value | None) -> Finding:
    steps = [one for one in composed(transform) if transform_name(one) == "ToTensor"]
    place = getattr(steps[0], "site", None)
    return found(
        Site(loop.site.script, node),
        "these images were scaled to 0 to 1 by `ToTensor` already, and are divided by 255 again",
        related=[(place, "`ToTensor` divides by 255")] if place is not None else [],
        hint="leave the division out",
    )
