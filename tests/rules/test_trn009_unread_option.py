"""TRN009: options that are declared and never read."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from marked import check_text, expected

from trainlint.lint.engine import check_paths
from trainlint.selection import Selection

HEAD = """
import argparse
import torch

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
"""

FOUND = {
    "flat": """
        parser.add_argument("--clip-grad", type=float)  # TRN009
        args = parser.parse_args()
        print(torch.tensor(args.lr))
        """,
    "in functions": """
        def options():
            parser.add_argument("--momentum", type=float)  # TRN009
            return parser.parse_args()

        def train(options):
            return torch.optim.SGD([torch.zeros(1)], lr=options.lr)

        def main():
            args = options()
            train(args)

        main()
        """,
    "in a class": """
        class Trainer:
            def __init__(self, args):
                self.args = args

            def fit(self):
                return torch.tensor(self.args.lr)

        parser.add_argument("-w", "--warmup", "--warm", type=int)  # TRN009
        Trainer(parser.parse_args()).fit()
        """,
    "set, and never read": """
        parser.add_argument("--device")  # TRN009
        args = parser.parse_args()
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
        print(torch.tensor(args.lr))
        """,
    "printed and saved as a whole": """
        import json

        parser.add_argument("--patience", type=int)  # TRN009
        args, unknown = parser.parse_known_args()
        print(f"options: {args}")
        for name, value in vars(args).items():
            print(name, value)
        json.dump(vars(args), open("options.json", "w"))
        torch.save({"args": args}, "last.pt")
        print(args.lr)
        """,
    "as keyword arguments of the script's own": """
        def run(lr, **kwargs):
            print(kwargs.pop("seed", 0))
            return torch.tensor(lr)

        def call(function, options):
            return function(**options)

        parser.add_argument("--smoothing", type=float)  # TRN009
        options = vars(parser.parse_args()).copy()
        call(run, options)
        """,
    "in a group, with a destination": """
        group = parser.add_argument_group("training")
        group.add_argument("--wd", dest="weight_decay", type=float)  # TRN009
        args = parser.parse_args()
        print(torch.tensor(args.lr))
        """,
    "started elsewhere": """
        import torch.multiprocessing as mp

        def worker(rank, args):
            print(rank, args.lr)

        parser.add_argument("--workers", type=int)  # TRN009
        args = parser.parse_args()
        mp.spawn(worker, args=(args,), nprocs=2)
        """,
}

LEFT_ALONE = {
    "read": """
        parser.add_argument("--clip-grad", type=float)
        args = parser.parse_args()
        print(torch.tensor(args.lr), args.clip_grad)
        """,
    "read by name": """
        parser.add_argument("--clip-grad", type=float)
        args = parser.parse_args()
        print(torch.tensor(args.lr), getattr(args, "clip_grad", None))
        """,
    "handed to code unseen": """
        from engine import train

        parser.add_argument("--clip-grad", type=float)
        args = parser.parse_args()
        print(torch.tensor(args.lr))
        train(args)
        """,
    "handed on by a function": """
        from engine import fit

        def train(options):
            fit(config=options)

        parser.add_argument("--clip-grad", type=float)
        args = parser.parse_args()
        print(torch.tensor(args.lr))
        train(args)
        """,
    "spread into code unseen": """
        from engine import train

        parser.add_argument("--clip-grad", type=float)
        args = parser.parse_args()
        print(torch.tensor(args.lr))
        train(**vars(args))
        """,
    "looked up by a name that is no constant": """
        parser.add_argument("--clip-grad", type=float)
        args = parser.parse_args()
        for name in open("names.txt"):
            print(torch.tensor(args.lr), getattr(args, name))
        """,
    "taken into a configuration": """
        from settings import config

        parser.add_argument("--clip-grad", type=float)
        args = parser.parse_args()
        print(torch.tensor(args.lr))
        config.update(vars(args))
        """,
    "copied one by one": """
        from settings import config

        parser.add_argument("--clip-grad", type=float)
        args = parser.parse_args()
        print(torch.tensor(args.lr))
        for name, value in vars(args).items():
            setattr(config, name, value)
        """,
    "a command's function": """
        parser.add_argument("--clip-grad", type=float)
        args = parser.parse_args()
        print(torch.tensor(args.lr))
        args.run(args)
        """,
    "returned to whoever imports": """
        def options():
            parser.add_argument("--clip-grad", type=float)
            args = parser.parse_args()
            print(torch.tensor(args.lr))
            return args
        """,
    "never parsed here": """
        def add_options(other):
            other.add_argument("--clip-grad", type=float)
            print(other.lr)
        """,
    "kept for compatibility": """
        parser.add_argument("--amp", help="deprecated, does nothing")
        parser.add_argument("--local_rank", type=int)
        parser.add_argument("--version", action="version", version="1")
        args = parser.parse_args()
        print(torch.tensor(args.lr))
        """,
    "formatted into a text": """
        parser.add_argument("--name")
        args = parser.parse_args()
        print(torch.tensor(args.lr), "run {name}".format(**vars(args)))
        """,
    "an action of the script's": """
        class Loud(argparse.Action):
            def __call__(self, parser, namespace, values, option_string=None):
                print(values)

        parser.add_argument("--loud", action=Loud)
        args = parser.parse_args()
        print(torch.tensor(args.lr))
        """,
}


@pytest.mark.parametrize("body", FOUND.values(), ids=FOUND)
def test_found(body: str) -> None:
    code = _script(body)
    findings = check_text(code, "case.py", "TRN009")
    assert [(one.code, one.location.line) for one in findings] == expected(code)


@pytest.mark.parametrize("body", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(body: str) -> None:
    assert check_text(_script(body), "case.py", "TRN009") == []


def test_off_by_default() -> None:
    assert check_text(_script(FOUND["flat"])) == []


@pytest.mark.parametrize(
    ("other", "hits"), [("import torch\n", 1), ("from train import args\n", 0)]
)
def test_a_file_that_others_import(tmp_path: Path, other: str, hits: int) -> None:
    (tmp_path / "train.py").write_text(_script(FOUND["flat"]), encoding="utf-8")
    (tmp_path / "evaluate.py").write_text(other, encoding="utf-8")
    checked = check_paths([str(tmp_path)], Selection(("TRN009",)))
    assert len(checked.findings) == hits


def _script(body: str) -> str:
    return HEAD.lstrip("\n") + "\n" + textwrap.dedent(body).lstrip("\n")
