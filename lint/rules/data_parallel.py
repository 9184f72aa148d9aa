"""TRN911."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule

_WRAPPERS = ("torch.nn.DataParallel", "torch.nn.parallel.DataParallel")


@rule("TRN911", Severity.INFO, needs=(b"DataParallel",))
def data_parallel(script: Script) -> Iterator[Finding]:
    """A model is wrapped in DataParallel rather than DistributedDataParallel.

    DataParallel runs all GPUs from one Python process: it copies the model to each of them in each
    pass, and its threads wait for one another. DistributedDataParallel has a process for each GPU,
    and is faster on one machine as well.

    Bad:
        from torch import nn

        model = nn.DataParallel(nn.Linear(4, 1))  # TRN911
    Good:
        import torch.distributed as dist
        from torch import nn

        dist.init_process_group("nccl")
        model = nn.parallel.DistributedDataParallel(nn.Linear(4, 1).cuda())

    Source: the PyTorch notes "CUDA semantics", section "Use nn.parallel.DistributedDataParallel
    instead of multiprocessing or nn.DataParallel".
    """
    for event in script.events("make"):
        if event.callee in _WRAPPERS:
            yield found(
                event.site,
                "DataParallel copies the model to each GPU in each pass, from one process",
                hint="start a process for each GPU, and use DistributedDataParallel",
            )
