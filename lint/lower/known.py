"""What is known of calls by qualified name: what they make, what they do, what they keep.

The kinds are those of `values.Obj`. Names that torch re-exports are brought to one spelling first.
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache

_REEXPORTS = (
    (re.compile(r"^torch\.optim\.(?:[a-z_]+)\.([A-Z]\w*)$"), r"torch.optim.\1"),
    (re.compile(r"^torch\.nn\.modules\.(?:[a-z_]+\.)?([A-Z]\w*)$"), r"torch.nn.\1"),
    (re.compile(r"^torch\.utils\.data\.(?:[a-z_]+\.)([A-Z]\w*)$"), r"torch.utils.data.\1"),
    (re.compile(r"^torch\.utils\.tensorboard\.writer\."), "torch.utils.tensorboard."),
    (re.compile(r"^torch\.nn\.utils\.clip_grad\."), "torch.nn.utils."),
    (re.compile(r"^torch\.functional\.F\."), "torch.nn.functional."),
)
_SCHEDULERS = re.compile(r"^torch\.optim\.(lr_scheduler|swa_utils)\.([A-Z]\w*)$")


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """One spelling for what torch exports under several names."""
    if _SCHEDULERS.match(name):
        return name
    for pattern, replacement in _REEXPORTS:
        name = pattern.sub(replacement, name)
    return name


_EXACT = {
    "torch.utils.data.DataLoader": "loader",
    "torch.utils.tensorboard.SummaryWriter": "writer",
    "tensorboardX.SummaryWriter": "writer",
    "torch.cuda.amp.GradScaler": "scaler",
    "torch.amp.GradScaler": "scaler",
    "torch.nn.parallel.DistributedDataParallel": "module",
    "torch.nn.Parameter": "parameters",
    "torch.nn.parameter.Parameter": "parameters",
    "torch.nn.UninitializedParameter": "parameters",
    "torch.nn.parameter.UninitializedParameter": "parameters",
    "torch.nn.Buffer": "output",
    "torch.nn.parameter.Buffer": "output",
    "torch.compile": "module",
    "torch.jit.script": "module",
    "argparse.ArgumentParser": "parser",
}
_DATASETS = re.compile(
    r"^(torch\.utils\.data\.(TensorDataset|Subset|ConcatDataset|ChainDataset)"
    r"|torchvision\.datasets\.[A-Z]\w*|torchaudio\.datasets\.[A-Z]\w*)$"
)
_OPTIMIZER = re.compile(r"^torch\.optim\.[A-Z]\w*$")
_MODULE = re.compile(r"^torch\.nn\.(parallel\.|qat\.|quantized\.)?[A-Z]\w*$|^torchvision\.models\.")


@lru_cache(maxsize=4096)
def made_by(name: str) -> str | None:
    """The kind of object that calling `name` makes; None where that is not known."""
    if name in _EXACT:
        return _EXACT[name]
    if _SCHEDULERS.match(name):
        return "scheduler"
    if _OPTIMIZER.match(name):
        return "optimizer"
    if _DATASETS.match(name):
        return "dataset"
    if _MODULE.match(name):
        return "loss" if name.endswith("Loss") else "module"
    return None


@lru_cache(maxsize=4096)
def kind_of_class(roots: tuple[str, ...]) -> str:
    """The kind of an instance whose class derives from these."""
    for root in roots:
        kind = made_by(root)
        if kind is not None:
            return kind
        if root.startswith("torch.utils.data.") and root.endswith("Dataset"):
            return "dataset"
        if root == "torch.optim.lr_scheduler._LRScheduler":
            return "scheduler"
    return "object"


# Wrappers that iterate over their first argument, as it is, in another order, or with a bar.
ITERATES_FIRST = frozenset({
    "builtins.iter", "builtins.reversed", "builtins.list", "builtins.tuple", "builtins.sorted",
    "tqdm.tqdm", "tqdm.auto.tqdm", "tqdm.notebook.tqdm", "tqdm.tqdm_notebook", "tqdm.std.tqdm",
    "tqdm.autonotebook.tqdm", "rich.progress.track", "alive_progress.alive_it",
    "itertools.islice", "itertools.cycle",
})  # fmt: skip

# Functions whose result depends on their arguments alone.
PURE = frozenset(
    f"builtins.{name}"
    for name in ("int", "float", "str", "bool", "abs", "round", "min", "max", "sum", "pow",
                 "divmod", "len", "range", "zip", "enumerate", "tuple", "list", "reversed",
                 "sorted", "set", "frozenset", "repr", "format", "type", "isinstance")
) | {"math.ceil", "math.floor", "math.sqrt", "math.log", "math.exp", "math.pow",
     "os.path.join"}  # fmt: skip

# Wrappers whose call is their first argument's.
WRAPS_MODULE = frozenset({
    "torch.nn.DataParallel", "torch.nn.parallel.DataParallel", "torch.compile", "torch.jit.script",
    "torch.nn.parallel.DistributedDataParallel",
})  # fmt: skip

# Layers that return a pair: an output and a state, or the two states of an `LSTMCell`.
RECURRENT = frozenset({"torch.nn.RNN", "torch.nn.LSTM", "torch.nn.GRU", "torch.nn.LSTMCell"})

# Functions that return numbers, and where they stand, once they are given an axis.
WITH_INDEX = frozenset({"max", "min", "topk", "sort", "median", "mode", "kthvalue"})

# Packages that neither keep what they are handed nor do anything to an optimizer or a gradient.
_INERT = frozenset({
    "argparse", "builtins", "click", "collections", "contextlib", "copy", "cv2", "dataclasses",
    "datetime", "einops", "functools", "glob", "imageio", "io", "itertools", "json", "logging",
    "math", "matplotlib", "numpy", "operator", "os", "pandas", "pathlib", "pickle", "PIL", "pprint",
    "psutil", "random", "re", "rich", "scipy", "seaborn", "shutil", "sklearn", "socket", "string",
    "subprocess", "sys", "tabulate", "tempfile", "tensorboardX", "tensorflow", "time", "timeit",
    "torch", "torchaudio", "torchmetrics", "torchsummary", "torchtext", "torchvision", "tqdm",
    "typing", "uuid", "warnings", "yaml",
})  # fmt: skip


def is_library(name: str) -> bool:
    """Whether a module is an installed library's or Python's own, not the project's."""
    first = name.split(".")[0]
    return first in _INERT or first in sys.stdlib_module_names


def is_inert(name: str) -> bool:
    """Whether a call of this name leaves its arguments as they are."""
    return name.split(".")[0] in _INERT


# Methods that return what they are called on.
RETURNS_SELF = frozenset({
    "to", "cuda", "cpu", "train", "eval", "half", "float", "double", "bfloat16", "requires_grad_",
    "apply", "share_memory", "to_empty", "xpu", "mps", "type",
})  # fmt: skip

# Methods of a module that put other layers into it.
ADDS_LAYERS = frozenset({"add_module", "append", "extend", "insert", "pop", "register_module"})

# Methods by which a value is known to be a tensor, whoever made it.
TENSOR_METHODS = frozenset(
    """
    abs argmax argmin bool chunk clamp clip clone contiguous cos cumsum detach diff div exp expand
    expand_as flatten gather int item log log10 log2 log_softmax logsumexp long masked_fill matmul
    max mean median min mm mul narrow neg norm numel numpy permute pow prod relu repeat
    repeat_interleave reshape round rsqrt scatter sigmoid sin softmax split_with_sizes sqrt square
    squeeze std sum tanh tolist topk transpose tril triu unbind unsqueeze var view view_as where
    zeros_like bmm add sub dot index_select nanmean sign
""".split()
)

# Losses: functions by qualified name, and the class of torch.nn that does the same.
LOSS_FUNCTIONS = {
    f"torch.nn.functional.{function}": f"torch.nn.{loss}"
    for function, loss in {
        "cross_entropy": "CrossEntropyLoss",
        "nll_loss": "NLLLoss",
        "binary_cross_entropy": "BCELoss",
        "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
        "kl_div": "KLDivLoss",
        "mse_loss": "MSELoss",
        "l1_loss": "L1Loss",
        "smooth_l1_loss": "SmoothL1Loss",
        "huber_loss": "HuberLoss",
        "poisson_nll_loss": "PoissonNLLLoss",
        "gaussian_nll_loss": "GaussianNLLLoss",
        "multi_margin_loss": "MultiMarginLoss",
        "multilabel_margin_loss": "MultiLabelMarginLoss",
        "multilabel_soft_margin_loss": "MultiLabelSoftMarginLoss",
        "soft_margin_loss": "SoftMarginLoss",
        "hinge_embedding_loss": "HingeEmbeddingLoss",
        "margin_ranking_loss": "MarginRankingLoss",
        "cosine_embedding_loss": "CosineEmbeddingLoss",
        "triplet_margin_loss": "TripletMarginLoss",
        "triplet_margin_with_distance_loss": "TripletMarginWithDistanceLoss",
        "ctc_loss": "CTCLoss",
    }.items()
}

# The kind of event that a method call is, whatever it is called on; of a method of the script's
# own, the call is a `method`, and what it does are events of their own.
METHOD_EVENTS = {
    "backward": "backward",
    "train": "train",
    "eval": "eval",
    "state_dict": "state",
    "load_state_dict": "load",
    "step": "step",
    "zero_grad": "zero_grad",
    "clip_grad_norm_": "clip",
    "clip_grad_value_": "clip",
    "unscale_": "unscale",
    "add_scalar": "log",
    "add_scalars": "log",
    "add_histogram": "log",
    "add_image": "log",
    "add_images": "log",
    "add_figure": "log",
    "add_text": "log",
    "register_hook": "hook",
    "register_post_accumulate_grad_hook": "hook",
    "register_full_backward_hook": "hook",
    "register_backward_hook": "hook",
    "register_step_pre_hook": "hook",
    "register_comm_hook": "hook",
    "add_argument": "option",
    "add_option": "option",
}

# The same for functions, by qualified name.
CALL_EVENTS = {
    "torch.nn.utils.clip_grad_norm_": "clip",
    "torch.nn.utils.clip_grad_norm": "clip",
    "torch.nn.utils.clip_grad_value_": "clip",
    "torch.nn.utils.clip_grads_with_norm_": "clip",
    "torch.autograd.backward": "backward",
    "torch.distributed.autograd.backward": "backward",
    "torch.save": "save",
    "torch.load": "load",
    **dict.fromkeys(LOSS_FUNCTIONS, "loss"),
    "click.option": "option",
    "typer.Option": "option",
}

# Kinds of object whose methods do nothing to other objects.
KNOWN_KINDS = frozenset({
    "module", "optimizer", "scheduler", "scaler", "loader", "dataset", "loss", "writer",
    "parameters", "output", "gradient", "namespace", "parser",
})  # fmt: skip
