"""What the flow tells of bare attributes, of attributes that are set, of contexts and classes."""

from __future__ import annotations

import textwrap

from trainlint.lint.lower.values import Choice, Obj, Ref
from trainlint.lint.model import Script
from trainlint.lint.parse import parse
from trainlint.lint.source import Source

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    pass

def train():
    class Inner(Net):
        pass

    optimizer = torch.optim.SGD(Inner().parameters(), lr=0.1)
    optimizer.step
    optimizer.lr = 1.0
    with torch.no_grad:
        pass
"""


def script_of(code: str) -> Script:
    source = Source.of_bytes("case.py", textwrap.dedent(code).encode())
    return Script(source, parse(source))


def test_a_bare_attribute_has_its_receiver() -> None:
    (event,) = script_of(CODE).events("bare")
    assert (event.callee, event.receiver_text) == ("step", "optimizer")
    assert isinstance(event.receiver, Obj)
    assert event.receiver.kind == "optimizer"


def test_an_attribute_that_is_set() -> None:
    (event,) = script_of(CODE).events("set_attribute")
    assert (event.callee, event.receiver_text, event.site.text) == (
        "lr",
        "optimizer",
        "optimizer.lr",
    )


def test_a_context_that_is_entered() -> None:
    (event,) = script_of(CODE).events("enter")
    assert isinstance(event.result, Ref)
    assert event.result.name == "torch.no_grad"


def test_classes_those_in_functions_included() -> None:
    outer, inner = script_of(CODE).classes
    assert (outer.name, inner.name) == ("Net", "Inner")
    assert inner.roots() == ["torch.nn.Module"]


def test_what_is_returned_and_put_into_containers() -> None:
    code = """
        import torch

        def make(model, kept):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            kept["optimizer"] = optimizer
            return optimizer
        """
    found = list(script_of(code).events("set_item", "return"))
    assert [event.kind for event in found] == ["set_item", "return"]
    assert all(isinstance(one.result, Obj) and one.result.kind == "optimizer" for one in found)


def test_what_is_changed_in_place_is_told() -> None:
    code = """
        import torch
        import torch.nn.functional as F
        from torch import nn

        a, b, c = torch.rand(8), torch.rand(8), torch.rand(8)
        net, other = nn.Sequential(nn.Linear(8, 8)), nn.Sequential(nn.Linear(8, 8))
        a.log_()
        F.relu(b, inplace=True)
        net.add_module("out", nn.Softmax())
        other(c.log())
        """
    made = {}
    for event in script_of(code).events("call", "make"):
        if event.callee in ("torch.rand", "torch.nn.Sequential"):
            made[event.site.node] = event.result
    changed = [one.changed for one in made.values() if isinstance(one, Obj)]
    assert changed == [True, True, False, True, False]


def test_several_tuples_of_one_length_are_one_tuple_of_choices() -> None:
    code = """
        import torch

        def both(x):
            if x.sum() > 0:
                return torch.softmax(x, 0), x
            return torch.sigmoid(x), x

        left, right = both(torch.rand(8))
        print(left)
        print(right)
        """
    left, right = (e.args[0].value for e in script_of(code).events("call") if "print" in e.callee)
    assert isinstance(left, Choice)
    names = [one.qualname for one in left.options if isinstance(one, Obj)]
    assert names == ["torch.softmax", "torch.sigmoid"]
    assert isinstance(right, Obj)


def test_a_conditional_expression_may_be_either() -> None:
    code = """
        import torch

        def train(loss, amp):
            scaler = torch.amp.GradScaler() if amp() else None
            scaler.scale(loss).backward()
        """
    backwards = [event.receiver for event in script_of(code).events("backward")]
    assert "GradScaler.scale" in [one.qualname for one in backwards if isinstance(one, Obj)]


def test_an_output_tells_whether_its_forward_was_followed_before() -> None:
    code = """
        from torch import nn

        class Net(nn.Module):
            def forward(self, x):
                return x, x

        net = Net()
        a, b = net(1)
        c, d = net(2)
        print(a, c)
        """
    (first, second) = next(
        [arg.value for arg in event.args] for event in script_of(code).events("call")
    )
    assert isinstance(first, Obj)
    assert isinstance(second, Obj)
    assert (first.again, second.again) == (False, True)


def test_a_closure_that_is_a_method_is_followed_and_del_clears_a_gradient() -> None:
    code = """
        import torch
        from torch import nn

        class Trainer:
            def __init__(self, model):
                self.optimizer = torch.optim.LBFGS(model.parameters())

            def closure(self):
                self.optimizer.zero_grad()

            def fit(self, p):
                self.optimizer.step(self.closure)
                del p.grad

        Trainer(nn.Linear(1, 1)).fit(nn.Parameter(torch.ones(1)))
        """
    kinds = [event.kind for event in script_of(code).events("zero_grad", "step", "set_grad")]
    assert kinds == ["zero_grad", "step", "set_grad"]


def test_a_loop_tells_what_its_passes_carry_on() -> None:
    code = """
        import torch

        rnn = torch.nn.LSTM(4, 8)
        state = None
        for x in torch.randn(5, 2, 7, 4):
            output, state = rnn(x, state)
        output.mean().backward()
    """
    script = script_of(code)
    (forward,) = script.events("forward")
    (carry,) = [one for one in forward.loops[0].carries if one.name == "state"]
    assert forward.args[1].value is carry.value
    assert isinstance(carry.after, Obj)
    assert (carry.after.kind, carry.after.args[0]) == ("output", forward.receiver)


def test_both_tensors_of_a_recurrent_layer_are_its_outputs() -> None:
    code = """
        import torch

        rnn = torch.nn.LSTM(4, 8)
        output, (h, c) = rnn(torch.randn(2, 7, 4))
        (h + c).mean()
    """
    script = script_of(code)
    (forward,) = script.events("forward")
    (mean,) = (event for event in script.events("method") if event.callee == "mean")
    assert all(
        isinstance(part, Obj) and part.args[0] is forward.receiver
        for part in getattr(mean.receiver, "parts", ())
    )
    assert len(getattr(mean.receiver, "parts", ())) == 2
