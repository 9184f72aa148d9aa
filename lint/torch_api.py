"""Which names torch has had, and when: a table made from its own sources.

`torch_api.json` is made by `tools/torch_tables.py`; it is read when a rule first asks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

# The oldest torch that scripts are expected to run on, unless the configuration names another.
OLDEST_TARGET = "2.2"
# A release that can be named: from the oldest target on, its last number left out or not. What is
# newer than the table is taken for what the table's newest is.
RELEASE = r"(2\.(?:[2-9]|[1-9][0-9]+))(?:\.[0-9]+)?"


def version_key(version: str) -> tuple[int, ...]:
    """`2.10` after `2.9`."""
    return tuple(int(part) for part in version.split("."))


@dataclass(frozen=True)
class Span:
    """The releases that have a name: from the one in which it `came` up to that without it."""

    came: str | None  # None: older than the table
    gone: str | None  # None: still there


class TorchApi:
    """The table, by version."""

    @cached_property
    def _table(self) -> dict[str, Any]:
        path = Path(__file__).with_name("torch_api.json")
        table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return table

    @property
    def targets(self) -> list[str]:
        """The versions that a configuration can name."""
        oldest = version_key(OLDEST_TARGET)
        return [v for v in self._table["versions"] if version_key(v) >= oldest]

    def removed(self, name: str, target: str) -> Span | None:
        """The span of a name that an older torch had, and the target has not."""
        span = self._span(name)
        if span is None or span.gone is None:
            return None
        return span if version_key(span.gone) <= version_key(target) else None

    def not_yet(self, name: str, target: str) -> Span | None:
        """The span of a name that came after the target."""
        span = self._span(name)
        if span is None or span.came is None:
            return None
        return span if version_key(span.came) > version_key(target) else None

    def deprecated(self, name: str, target: str) -> tuple[str, str] | None:
        """Since when the target marks a name as deprecated, and torch's words for it."""
        entry = self._table["deprecated"].get(name)
        if entry is None or version_key(entry[0]) > version_key(target):
            return None
        return (entry[0], entry[1]) if self.removed(name, target) is None else None

    def gone_keyword(self, name: str, keyword: str, target: str) -> str | None:
        """The release that took a keyword from a callable, if the target is past it."""
        gone = self._table["keywords"].get(name, {}).get(keyword)
        return gone if gone is not None and version_key(gone) <= version_key(target) else None

    def _span(self, name: str) -> Span | None:
        entry = self._table["spans"].get(name)
        return Span(*entry) if entry is not None else None


API = TorchApi()

# What to write instead. `True`: the same under another name, arguments and results included.
REPLACEMENTS: dict[str, tuple[str, bool]] = {
    "torch.set_deterministic": ("torch.use_deterministic_algorithms", True),
    "torch.is_deterministic": ("torch.are_deterministic_algorithms_enabled", True),
    "torch.ger": ("torch.outer", True),
    "torch.btriunpack": ("torch.lu_unpack", True),
    "torch.cuda.memory_cached": ("torch.cuda.memory_reserved", True),
    "torch.cuda.max_memory_cached": ("torch.cuda.max_memory_reserved", True),
    "torch.nn.NLLLoss2d": ("torch.nn.NLLLoss", True),
    "torch.nn.functional.upsample": ("torch.nn.functional.interpolate", True),
    "torch.nn.utils.clip_grad_norm": ("torch.nn.utils.clip_grad_norm_", True),
    **{
        f"torch.nn.init.{name}": (f"torch.nn.init.{name}_", True)
        for name in ("uniform", "normal", "constant", "eye", "dirac", "xavier_uniform", "sparse",
                     "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal")
    },
    **{
        f"torch.distributed.{name}_multigpu": (f"torch.distributed.{name}", False)
        for name in ("all_gather", "all_reduce", "broadcast", "reduce", "reduce_scatter")
    },
    "torch.rfft": ("torch.fft.rfft, which returns complex numbers", False),
    "torch.irfft": ("torch.fft.irfft, which takes complex numbers", False),
    "torch.ifft": ("torch.fft.ifft, which takes complex numbers", False),
    "torch.symeig": ("torch.linalg.eigh", False),
    "torch.eig": ("torch.linalg.eig, which returns complex numbers", False),
    "torch.lstsq": ("torch.linalg.lstsq, its arguments the other way round", False),
    "torch.gels": ("torch.linalg.lstsq, its arguments the other way round", False),
    "torch.solve": ("torch.linalg.solve, its arguments the other way round", False),
    "torch.gesv": ("torch.linalg.solve, its arguments the other way round", False),
    "torch.matrix_rank": ("torch.linalg.matrix_rank", False),
    "torch.potrf": ("torch.linalg.cholesky", False),
    "torch.potrs": ("torch.cholesky_solve", False),
    "torch.potri": ("torch.cholesky_inverse", False),
    "torch.btrifact": ("torch.linalg.lu_factor", False),
    "torch.btrifact_with_info": ("torch.linalg.lu_factor_ex", False),
    "torch.btrisolve": ("torch.linalg.lu_solve", False),
    "torch.trtrs": ("torch.linalg.solve_triangular", False),
    "torch.triangular_solve": ("torch.linalg.solve_triangular", False),
    "torch.cholesky": ("torch.linalg.cholesky", False),
    "torch.qr": ("torch.linalg.qr", False),
    "torch.svd": ("torch.linalg.svd", False),
    "torch.lu_solve": ("torch.linalg.lu_solve", False),
    "torch.chain_matmul": ("torch.linalg.multi_dot", False),
    "torch.norm": ("torch.linalg.vector_norm or torch.linalg.matrix_norm", False),
    "torch.range": ("torch.arange, which leaves the end out", False),
    "torch.set_default_tensor_type": (
        "torch.set_default_dtype and torch.set_default_device", False),
    "torch._six": ("Python's own: `str`, `int`, `collections.abc`, `math.inf`", False),
    "torch._six.string_classes": ("`(str, bytes)`", False),
    "torch._six.int_classes": ("`int`", False),
    "torch._six.container_abcs": ("`collections.abc`", False),
    "torch.utils.data.dataloader.string_classes": ("`(str, bytes)`", False),
    "torch.utils.data.dataloader.int_classes": ("`int`", False),
    "torch.utils.data.dataloader.container_abcs": ("`collections.abc`", False),
    "torch.utils.data.BufferedShuffleDataset": ("torch.utils.data.datapipes.iter.Shuffler", False),
    "torch.utils.ffi": ("torch.utils.cpp_extension", False),
    "torch.cuda.amp.autocast": ('torch.amp.autocast("cuda")', False),
    "torch.cuda.amp.GradScaler": ('torch.amp.GradScaler("cuda")', False),
    "torch.cuda.amp.custom_fwd": ('torch.amp.custom_fwd(device_type="cuda")', False),
    "torch.cuda.amp.custom_bwd": ('torch.amp.custom_bwd(device_type="cuda")', False),
    "torch.backends.cuda.sdp_kernel": ("torch.nn.attention.sdpa_kernel", False),
    "torch.nn.utils.stateless.functional_call": ("torch.func.functional_call", False),
    "torch.nn.utils.weight_norm": (
        "torch.nn.utils.parametrizations.weight_norm; it changes the keys of the state_dict",
        False,
    ),
    "torch.autograd.gradcheck.zero_gradients": ("`tensor.grad = None`", False),
    "torch.onnx.dynamo_export": ("torch.onnx.export(…, dynamo=True)", False),
    "torch.onnx.export_to_pretty_string": ("torch.onnx.export", False),
    "torch.nn.parallel.distributed_cpu": ("torch.nn.parallel.DistributedDataParallel", False),
}  # fmt: skip
