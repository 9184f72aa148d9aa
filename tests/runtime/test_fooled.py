"""Healthy scripts that once looked ill, and ill ones that once looked healthy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import trainlint
from watched import OFFSET, watch, write

HEALTHY = {
    "tasks take turns, every optimizer is stepped": """
        trunk = nn.Linear(4, 16)
        heads = nn.ModuleDict({task: nn.Linear(16, 1) for task in "abcd"})
        parts = (trunk, *heads.values())
        optimizers = [torch.optim.Adam(part.parameters(), 1e-2) for part in parts]
        for i in range(60):
            x = torch.randn(16, 4)
            loss = F.mse_loss(heads["abcd"[i % 4]](torch.relu(trunk(x))), x.sum(1, keepdim=True))
            for one in optimizers:
                one.zero_grad()
            loss.backward()
            for one in optimizers:
                one.step()
    """,
    "part of the model is updated by hand": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b, self.c = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 1)
            def forward(self, x):
                return self.c(torch.tanh(self.b(torch.tanh(self.a(x)))))
        model = Net()
        optimizer = torch.optim.SGD(model.a.parameters(), 0.05)
        for i in range(60):
            x = torch.randn(16, 4)
            model.zero_grad()
            F.mse_loss(model(x), x.sum(1, keepdim=True)).backward()
            optimizer.step()
            with torch.no_grad():
                for p in model.b.parameters():
                    p -= 0.01 * p.grad
            if i > 30:
                for p in model.c.parameters():
                    p.data.add_(p.grad, alpha=-0.01)
    """,
    "gradients are decayed in place": """
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        for i in range(60):
            F.mse_loss(model(torch.randn(8, 4)), torch.ones(8, 1)).backward()
            optimizer.step()
            for p in model.parameters():
                p.grad.mul_(0.5)
    """,
    "gradients are decayed through data": """
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        for i in range(60):
            F.mse_loss(model(torch.randn(8, 4)), torch.ones(8, 1)).backward()
            optimizer.step()
            for p in model.parameters():
                p.grad.data.mul_(0.5)
    """,
    "evolution moves frozen weights": """
        model = nn.Linear(4, 1).requires_grad_(False)
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        x = torch.randn(64, 4)
        for i in range(40):
            base = F.mse_loss(model(x), x.sum(1, keepdim=True))
            for p in model.parameters():
                noise = 0.01 * torch.randn_like(p)
                p.add_(noise)
                p.grad = (F.mse_loss(model(x), x.sum(1, keepdim=True)) - base) * noise / 1e-4
                p.sub_(noise)
            optimizer.step()
    """,
    "a fixed network in the loss, made on the spot": """
        net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 8))
        features = nn.Linear(8, 16)
        optimizer = torch.optim.Adam(net.parameters(), 1e-2)
        for i in range(60):
            x = torch.randn(16, 8)
            with torch.no_grad():
                wanted = features(x)
            loss = F.mse_loss(features(net(x)), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    """,
    "a random network is learned, and one is hidden in a list": """
        class Student(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 8))
                self.teacher = [nn.Linear(8, 8).eval()]
            def forward(self, x):
                return F.mse_loss(self.teacher[0](self.net(x)), self.teacher[0](x))
        net, target = Student(), nn.Linear(8, 8)
        optimizer = torch.optim.Adam(net.parameters(), 1e-2)
        for i in range(60):
            x = torch.randn(16, 8)
            loss = net(x) + F.mse_loss(net.net(x), target(x))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    """,
    "a loaded head": """
        backbone, head = nn.Linear(8, 16), nn.Linear(16, 2)
        head.load_state_dict({"weight": torch.randn(2, 16), "bias": torch.zeros(2)})
        optimizer = torch.optim.Adam(backbone.parameters(), 1e-2)
        for i in range(60):
            x = torch.randn(16, 8)
            loss = F.cross_entropy(head(backbone(x)), (x[:, 0] > 0).long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    """,
    "layers in a list that the optimizer is given": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = [nn.Linear(4, 4) for _ in range(2)]
                self.out = nn.Linear(4, 1)
            def forward(self, x):
                for layer in self.layers:
                    x = torch.relu(layer(x))
                return self.out(x)
        net = Net()
        given = [*net.parameters(), *(p for layer in net.layers for p in layer.parameters())]
        optimizer = torch.optim.Adam(given)
        for i in range(60):
            x = torch.randn(16, 4)
            loss = F.mse_loss(net(x), x.sum(1, keepdim=True))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    """,
    "a frozen part is thawed after the budget": """
        encoder, decoder = nn.Linear(4, 8).requires_grad_(False), nn.Linear(8, 4)
        optimizers = [torch.optim.Adam(part.parameters(), 1e-3) for part in (encoder, decoder)]
        for i in range(300):
            if i == 200:
                encoder.requires_grad_(True)
            x = torch.randn(16, 4)
            loss = F.mse_loss(decoder(torch.tanh(encoder(x))), x)
            for one in optimizers:
                one.zero_grad()
            loss.backward()
            for one in optimizers:
                one.step()
    """,
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_script_is_silent(name: str, tmp_path: Path) -> None:
    told = watch(tmp_path, HEALTHY[name], max_steps=120)
    assert told.codes == []
    assert len(told.run.steps) >= 40


def test_gradients_that_a_module_lost_after_the_first_steps(tmp_path: Path) -> None:
    code = """
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        for i in range(80):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            if i == 1:
                model = nn.Linear(4, 1)
    """
    told = watch(tmp_path, code)
    assert (told.codes, told.line("RUN102")) == (["RUN102"], 6)


def test_uncleared_gradients_stay_a_mistake_where_clipping_changes_them(tmp_path: Path) -> None:
    code = """
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        for i in range(40):
            F.mse_loss(model(torch.randn(8, 4)), torch.ones(8, 1)).backward()
            optimizer.step()
            nn.utils.clip_grad_norm_(model.parameters(), 0.01)
    """
    assert watch(tmp_path, code).codes == ["RUN101", "RUN205"]


def test_an_optimizer_of_frozen_parameters_only(tmp_path: Path) -> None:
    code = """
        backbone, head, other = nn.Linear(8, 16), nn.Linear(16, 2), nn.Linear(8, 2)
        for p in (*backbone.parameters(), *head.parameters()):
            p.requires_grad = False
        optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
        for i in range(50):
            x = torch.randn(16, 8)
            loss = F.cross_entropy(head(backbone(x)) + other(x), (x[:, 0] > 0).long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    """
    told = watch(tmp_path, code)
    assert (told.codes, told.line("RUN102")) == (["RUN102"], 10)
    assert "holds only frozen parameters (2 parameters)" in told.found("RUN102").message
    assert [place.location.line - OFFSET for place in told.found("RUN102").related] == [4]


def test_almost_nothing_is_no_all_clear(tmp_path: Path) -> None:
    code = """
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        for i in range(3):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
    """
    script = write(tmp_path, code)
    for format_ in ("text", "concise"):
        done = trainlint("run", script, "--output-format", format_)
        assert done.returncode == 2
        assert done.stdout.splitlines()[-1].startswith("Too few steps to judge: it took 3")
        assert "passed" not in done.stdout
    done = trainlint("run", script, "--output-format", "json")
    assert done.returncode == 2
    assert "too few steps to judge" in json.loads(done.stdout)["run"]["notes"][0]


def test_a_head_beside_its_backbone_that_no_optimizer_holds(tmp_path: Path) -> None:
    code = """
        backbone = nn.Sequential(nn.Linear(8, 16), nn.ReLU())
        head = nn.Linear(16, 2)
        optimizer = torch.optim.AdamW(backbone.parameters(), lr=1e-3)
        for i in range(60):
            x = torch.randn(16, 8)
            loss = F.cross_entropy(head(backbone(x)), (x.sum(1) > 0).long())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    """
    told = watch(tmp_path, code)
    assert (told.codes, told.line("RUN103")) == (["RUN103"], 2)
    assert "no optimizer holds `weight`, `bias` of `Linear`" in told.found("RUN103").message


def test_a_network_that_may_be_fixed_on_purpose_gets_a_note(tmp_path: Path) -> None:
    script = write(tmp_path, HEALTHY["a loaded head"])
    done = trainlint("run", script, "--output-format", "concise")
    assert done.returncode == 0
    note = "no optimizer holds any of `Linear` (line 8), which gets gradients: meant so if it is"
    assert f"  {note}" in done.stdout


def test_layers_in_a_plain_list_that_no_optimizer_holds(tmp_path: Path) -> None:
    code = """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = []
                for _ in range(2):
                    self.layers.append(nn.Linear(4, 4))
                self.out = nn.Linear(4, 1)
            def forward(self, x):
                for layer in self.layers:
                    x = torch.relu(layer(x))
                return self.out(x)
        net = Net()
        optimizer = torch.optim.Adam(net.parameters())
        for i in range(60):
            x = torch.randn(16, 4)
            loss = F.mse_loss(net(x), x.sum(1, keepdim=True))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    """
    told = watch(tmp_path, code)
    assert (told.codes, told.line("RUN103")) == (["RUN103"], 6)
    message = told.found("RUN103").message
    assert message.startswith("`Net` computes with 2 layers that it does not register")


def test_what_a_diverged_model_computes_is_no_data(tmp_path: Path) -> None:
    code = """
        model, criterion = nn.Linear(4, 1), nn.MSELoss()
        optimizer = torch.optim.SGD(model.parameters(), 5.0)
        for i in range(60):
            x = torch.randn(8, 4)
            optimizer.zero_grad()
            criterion(model(x), x[:, :1]).backward()
            optimizer.step()
    """
    assert watch(tmp_path, code).codes == ["RUN104"]


def test_the_same_few_pictures_in_both_parts_are_no_leak(tmp_path: Path) -> None:
    code = """
        def squares(count):
            pictures = torch.zeros(count, 12, 12)
            for one, (i, j) in zip(pictures, torch.randint(0, 8, (count, 2)).tolist()):
                one[i:i + 4, j:j + 4] = 1
            return TensorDataset(pictures.flatten(1))
        train, held = DataLoader(squares(320), 32, shuffle=True), DataLoader(squares(96), 32)
        model = nn.Sequential(nn.Linear(144, 16), nn.ReLU(), nn.Linear(16, 144))
        optimizer = torch.optim.Adam(model.parameters(), 3e-3)
        for epoch in range(6):
            for (x,) in train:
                optimizer.zero_grad()
                F.mse_loss(model(x), x).backward()
                optimizer.step()
            with torch.no_grad():
                print(sum(F.mse_loss(model(x), x).item() for (x,) in held))
    """
    told = watch(tmp_path, code)
    assert told.run.overlaps[-1].met > 32
    assert told.codes == []
