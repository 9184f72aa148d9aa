"""TRN610."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding
from trainlint.lint.graph import ancestors
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule

_SPLIT = "sklearn.model_selection.train_test_split"
# Transformers that learn numbers of the data; an encoder of labels learns only their names.
_LEARN = frozenset({
    "sklearn.preprocessing.StandardScaler", "sklearn.preprocessing.MinMaxScaler",
    "sklearn.preprocessing.RobustScaler", "sklearn.preprocessing.MaxAbsScaler",
    "sklearn.preprocessing.QuantileTransformer", "sklearn.preprocessing.PowerTransformer",
    "sklearn.decomposition.PCA", "sklearn.decomposition.TruncatedSVD",
    "sklearn.impute.SimpleImputer", "sklearn.impute.KNNImputer",
})  # fmt: skip


@rule("TRN610", needs=(b"train_test_split",))
def fit_before_split(script: Script) -> Iterator[Finding]:
    """A scaler is fitted on all of the data before the data is split.

    The mean, range or components that it learns are then those of the test set too: what the test
    is to measure has leaked into training, and the result is better than it should be.

    Reported where what is split is what the fitted transformer returned, for transformers that
    learn numbers; encoders that only name categories are left alone.

    Bad:
        import numpy as np
        import torch
        from sklearn.model_selection import train_test_split
        from sklearn.preprocessing import StandardScaler

        data, labels = np.load("data.npy"), np.load("labels.npy")
        scaled = StandardScaler().fit_transform(data)
        parts = train_test_split(scaled, labels)  # TRN610
        x_train = torch.from_numpy(parts[0])
    Good:
        import numpy as np
        import torch
        from sklearn.model_selection import train_test_split
        from sklearn.preprocessing import StandardScaler

        data, labels = np.load("data.npy"), np.load("labels.npy")
        parts = train_test_split(data, labels)
        scaler = StandardScaler().fit(parts[0])
        x_train = torch.from_numpy(scaler.transform(parts[0]))
        x_test = torch.from_numpy(scaler.transform(parts[1]))

    Source: the scikit-learn user guide, "Common pitfalls and recommended practices", section "Data
    leakage during pre-processing".
    """
    for event in script.events("call"):
        if event.callee != _SPLIT or event.site.script is not script:
            continue
        for arg in event.args:
            fitted = None if arg.keyword or arg.star else _fitted(arg.value)
            if fitted is not None:
                yield _finding(event, arg.text, fitted)
                break


def _fitted(value: Value) -> Obj | None:
    """The call by which a transformer was fitted on what a value was made of."""
    for part in ancestors(value):
        if isinstance(part, Obj) and part.qualname == "Tensor.fit_transform" and part.args:
            maker = part.args[0]
            if isinstance(maker, Obj) and maker.qualname in _LEARN:
                return part
    return None


def _finding(event: Event, name: str, fitted: Obj) -> Finding:
    maker = fitted.args[0]
    kind = maker.qualname.rpartition(".")[2] if isinstance(maker, Obj) else "transformer"
    return found(
        event.site,
        f"`{name}` is split after a {kind} was fitted on all of it: the test set has leaked into"
        " what it learned",
        related=[(fitted.site, "it is fitted here")] if fitted.site else [],
        hint="split first, fit on the training part, and only transform the test part",
    )
