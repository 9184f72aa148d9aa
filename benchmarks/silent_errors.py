"""The silent errors that TrainCheck's evaluation collected, and the scripts of the zoo for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SilentError:
    """One of them: its name there, what goes wrong, and our script, or why there is none."""

    name: str
    wrong: str
    script: str = ""
    without: str = ""


_RANKS = "needs several processes whose weights are compared"

ERRORS = (
    SilentError(
        "baichuan2-86",
        "weights arrive corrupted on a second card; inf and nan follow",
        "corrupted_weights_on_the_second_device",
    ),
    SilentError(
        "deepspeed-1801",
        "clipping on one tensor-parallel rank only: replicated weights drift apart",
        without=_RANKS,
    ),
    SilentError(
        "deepspeed-5794",
        "experts exchange tokens unequally often, and training hangs",
        "expert_waits_for_tokens_that_never_come",
    ),
    SilentError(
        "lightning-thunder-725",
        "operations in an autocast region are not cast",
        "primitive_that_autocast_does_not_reach",
    ),
    SilentError(
        "mmpretrain-702",
        "stages that were to be frozen are trained, since train() was never called",
        without="nothing in the run says that they were to be frozen",
    ),
    SilentError(
        "pytorch-51800",
        "a spectrally normalised layer is evaluated before its first training step",
        without="the evaluation is wrong, and training is not",
    ),
    SilentError(
        "pytorch-84803", "what is sent between cards arrives as zeros", "batches_lost_on_the_way"
    ),
    SilentError(
        "pytorch-96600", "what is sent between cards arrives as zeros", "batches_lost_on_the_way"
    ),
    SilentError(
        "pytorch-104336",
        "parameters are moved and remade after others took hold of them",
        "optimizer_of_the_model_before_it_was_replaced",
    ),
    SilentError(
        "pytorch-115607",
        "a compiled step stays as it was while gradients were None",
        "optimizer_that_remembers_a_step_without_gradients",
    ),
    SilentError(
        "pytorch-forum-84911",
        "all layers are frozen but BatchNorm, and the optimizer holds the frozen head",
        "frozen_head_is_all_that_is_trained",
    ),
    SilentError("stackoverflow-60335387", "gradients are never cleared", "gradients_never_cleared"),
    SilentError(
        "stackoverflow-67180955",
        "all data workers draw the same random numbers",
        "workers_share_one_generator",
    ),
    SilentError(
        "transformers-17877",
        "weights are initialised again and again before training",
        without="costs time at the start, and changes no training step",
    ),
    SilentError(
        "transformers-23723",
        "generation runs past its limit of new tokens",
        without="generation only: nothing is trained",
    ),
    SilentError(
        "transformers-33844",
        "dropout in attention is on in evaluation",
        "attention_dropout_always_on",
    ),
    SilentError(
        "transformers-34204",
        "all prompts of a batch become one row",
        "processor_collapses_the_batch",
    ),
    SilentError(
        "x-jxmnop-ddp-out-of-sync",
        "a new wrapper around the model each time: what is trained is not what computes",
        "a_new_wrapper_around_a_copy_each_time",
    ),
)
