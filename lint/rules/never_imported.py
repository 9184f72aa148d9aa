"""TRN002."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.gaps import has_gaps
from trainlint.lint.lower.scopes import Use
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule

# Names that stand for one module or class in nearly all training code, with the import that
# binds them. A module alias is only believed where each use of it takes an attribute.
_MODULES = {
    "F": "import torch.nn.functional as F",
    "nn": "from torch import nn",
    "optim": "from torch import optim",
    "torch": "import torch",
    "torchvision": "import torchvision",
    "np": "import numpy as np",
    "pd": "import pandas as pd",
    "plt": "import matplotlib.pyplot as plt",
    "transforms": "from torchvision import transforms",
    **{name: f"import {name}" for name in ("argparse", "itertools", "json", "logging", "math",
       "os", "pickle", "random", "shutil", "sys", "time")},
}  # fmt: skip
_CLASSES = {
    "DataLoader": "from torch.utils.data import DataLoader",
    "Dataset": "from torch.utils.data import Dataset",
    "TensorDataset": "from torch.utils.data import TensorDataset",
    "SubsetRandomSampler": "from torch.utils.data import SubsetRandomSampler",
    "DistributedSampler": "from torch.utils.data import DistributedSampler",
    "SummaryWriter": "from torch.utils.tensorboard import SummaryWriter",
    "tqdm": "from tqdm import tqdm",
    "clip_grad_norm_": "from torch.nn.utils import clip_grad_norm_",
    "clip_grad_value_": "from torch.nn.utils import clip_grad_value_",
}


def is_known_alias(name: str, attribute: str | None) -> bool:
    """Whether a name, used so, stands for one known import."""
    if name in _CLASSES:
        return attribute is None or name == "tqdm"
    if name == "F":
        return attribute in _FUNCTIONAL
    return name in _MODULES and attribute is not None


@rule("TRN002", Severity.ERROR)
def never_imported(script: Script) -> Iterator[Finding]:
    """A well-known import is used, and missing.

    `F`, `nn`, `np`, `DataLoader` and the like stand for one import in all of the field's code.
    The fix adds it where the script's other imports stand. `F` counts only where each attribute
    taken of it exists in `torch.nn.functional`.

    Bad:
        import torch

        def forward(x):
            return F.relu(x)  # TRN002
    Good:
        import torch
        import torch.nn.functional as F

        def forward(x):
            return F.relu(x)

    Fix safety: the fix only adds an import of a name that nothing else binds.
    Source: the import conventions of the PyTorch tutorials and of the NumPy and Matplotlib
    documentation.
    """
    missing = {
        name: uses
        for name, uses in script.names.unbound().items()
        if all(is_known_alias(name, use.attribute) for use in uses)
    }
    if not missing or not script.whole or has_gaps(script):
        return
    for name, uses in missing.items():
        yield _finding(script, name, uses)


def _finding(script: Script, name: str, uses: list[Use]) -> Finding:
    statement = _MODULES.get(name) or _CLASSES[name]
    target = _meaning(statement)
    message = f"`{name}` is used, but `{target}` is never imported"
    if target == name:
        message = f"`{name}` is used, but never imported"
    return found(
        script.location(uses[0].node),
        message,
        related=[(script.location(use.node), "also used here") for use in uses[1:]],
        hint=f"add `{statement}`",
        fix=_fix(script, statement),
    )


def _meaning(statement: str) -> str:
    """`torch.nn.functional` of `import torch.nn.functional as F`."""
    words = statement.split()
    return f"{words[1]}.{words[3]}" if words[0] == "from" else words[1]


def _fix(script: Script, statement: str) -> Fix | None:
    """The import, after the last of those that open the script."""
    after = _last_import(script)
    if after is not None:
        edit = script.append_line(after, statement)
    else:
        first = script.range(script.module.body[0])[0] if script.module.body else 1
        edit = script.insert_line(first, statement)
    return None if edit is None else Fix(f"Add `{statement}`", (edit,), safe=True)


def _last_import(script: Script) -> int | None:
    """The last line of the code's docstring and imports, before anything else is done."""
    last = None
    for statement in script.module.body:
        if not isinstance(statement, cst.SimpleStatementLine) or not all(
            _opens(part) for part in statement.body
        ):
            break
        last = script.range(statement)[2]
    return last


def _opens(statement: cst.BaseSmallStatement) -> bool:
    """Whether it is an import, or a text such as a docstring."""
    if isinstance(statement, cst.Expr):
        return isinstance(statement.value, (cst.SimpleString, cst.ConcatenatedString))
    return isinstance(statement, (cst.Import, cst.ImportFrom))


# What torch.nn.functional offers, but for what other modules called `F` offer too.
_FUNCTIONAL = frozenset(
    """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
    adaptive_max_pool2d adaptive_max_pool3d affine_grid alpha_dropout avg_pool1d avg_pool2d
    avg_pool3d batch_norm bilinear binary_cross_entropy binary_cross_entropy_with_logits celu
    channel_shuffle conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d
    conv_transpose3d cosine_embedding_loss cosine_similarity cross_entropy ctc_loss dropout
    dropout1d dropout2d dropout3d elu embedding embedding_bag feature_alpha_dropout fold
    fractional_max_pool2d fractional_max_pool3d gaussian_nll_loss gelu glu grid_sample
    group_norm gumbel_softmax hardshrink hardsigmoid hardswish hardtanh hinge_embedding_loss
    huber_loss instance_norm interpolate kl_div l1_loss layer_norm leaky_relu leaky_relu_
    linear local_response_norm log_softmax logsigmoid lp_pool1d lp_pool2d lp_pool3d
    margin_ranking_loss max_pool1d max_pool2d max_pool3d max_unpool1d max_unpool2d
    max_unpool3d mish mse_loss multi_head_attention_forward multi_margin_loss
    multilabel_margin_loss multilabel_soft_margin_loss native_channel_shuffle nll_loss
    normalize one_hot pad pairwise_distance pdist pixel_shuffle pixel_unshuffle
    poisson_nll_loss prelu relu relu6 relu_ rms_norm rrelu rrelu_ scaled_dot_product_attention
    selu selu_ sigmoid silu smooth_l1_loss soft_margin_loss softmax softmin softplus
    softshrink softsign tanh tanhshrink threshold threshold_ triplet_margin_loss
    triplet_margin_with_distance_loss unfold upsample upsample_bilinear upsample_nearest
    """.split()
)
