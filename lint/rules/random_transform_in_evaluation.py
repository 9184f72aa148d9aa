"""TRN606."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.data import (
    composed,
    loaders,
    option,
    part_of,
    passes,
    transform_name,
    transform_of,
    vision_class,
)
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script, Site
from trainlint.lint.rule import found, rule

_OTHER = ("ColorJitter", "AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix",
          "ElasticTransform")  # fmt: skip
_HELD_OUT = ("test", "val", "valid", "validation")


@rule("TRN606", needs=(b"transforms",))
def random_transform_in_evaluation(script: Script) -> Iterator[Finding]:
    """A test or validation set is put through random augmentation.

    Random crops, flips and colours belong to training. On held-out data they make each evaluation
    a different one, mostly lower than the model deserves, and no two results can be compared.

    Reported for torchvision's test and validation sets in a loader that is evaluated on, without
    gradients, and never trained on.

    Bad:
        import torch
        from torch.utils.data import DataLoader
        from torchvision import datasets, transforms

        augment = transforms.Compose([transforms.RandomCrop(32, 4), transforms.ToTensor()])
        test_set = datasets.CIFAR10("data", train=False, transform=augment)  # TRN606
        loader = DataLoader(test_set, batch_size=100)

        def evaluate(model):
            model.eval()
            correct = 0
            with torch.no_grad():
                for x, y in loader:
                    correct += (model(x).argmax(1) == y).sum().item()
            return correct / len(test_set)
    Good:
        import torch
        from torch.utils.data import DataLoader
        from torchvision import datasets, transforms

        test_set = datasets.CIFAR10("data", train=False, transform=transforms.ToTensor())
        loader = DataLoader(test_set, batch_size=100)

        def evaluate(model):
            model.eval()
            correct = 0
            with torch.no_grad():
                for x, y in loader:
                    correct += (model(x).argmax(1) == y).sum().item()
            return correct / len(test_set)

    Source: the torchvision reference for training classification, whose presets for evaluation
    hold no random transform.
    """
    if not script.whole:
        return
    for event in loaders(script):
        dataset = option(event.result, "dataset")
        if dataset is None or part_of(dataset) not in _HELD_OUT or not isinstance(dataset, Obj):
            continue
        random = _random_one(transform_of(dataset))
        if random is not None and _is_evaluated(script, event):
            yield _finding(event, dataset, random)


def _random_one(transform: Value | None) -> Obj | None:
    for one in composed(transform):
        name = transform_name(one)
        if isinstance(one, Obj) and (name.startswith("Random") or name in _OTHER):
            return one
    return None


def _is_evaluated(script: Script, event: Event) -> bool:
    found_passes = passes(script, event.result)
    evaluated = any(_measures(one.events) for one in found_passes)
    return evaluated and not any(one.trains for one in found_passes)


def _measures(events: tuple[Event, ...]) -> bool:
    """Whether batches go through something without gradients, and nothing is learned of them."""
    names = ("torch.no_grad", "torch.inference_mode")
    inside = [event for event in events if event.within(*names)]
    calls = [event for event in inside if event.kind in ("forward", "opaque")]
    return bool(calls) and not any(event.kind in ("backward", "step") for event in events)


def _finding(event: Event, dataset: Obj, random: Obj) -> Finding:
    site: Site = dataset.site or event.site
    place = [(random.site, "the random transform")] if random.site else []
    return found(
        site,
        f"this {vision_class(dataset)} test set is put through {transform_name(random)}: each"
        " evaluation sees other data",
        related=[*place, (event.site, "its loader, which is only evaluated on")],
        hint="give it a transform of its own, without random parts",
    )
