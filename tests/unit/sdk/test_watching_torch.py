"""PyTorch networks that are watched while they are trained: what is logged, and how they are left."""

from datetime import UTC, datetime

import pytest
import torch

import modelyard
from modelyard.control.jobs.debugging import catalog
from modelyard.control.jobs.debugging.curves import Curves
from modelyard.control.jobs.output import parse_metrics

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def network(activation: type[torch.nn.Module] = torch.nn.ReLU, depth: int = 1) -> torch.nn.Sequential:
    torch.manual_seed(0)
    hidden = [layer for _ in range(depth) for layer in (torch.nn.Linear(16, 16), activation())]
    return torch.nn.Sequential(*hidden, torch.nn.Linear(16, 4))


def train(model: torch.nn.Module, steps: int, rate: float = 0.1) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    rows, labels = torch.randn(32, 16), torch.randint(0, 4, (32,))
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(rows), labels).backward()
        optimizer.step()


def logged(capsys: pytest.CaptureFixture[str]) -> Curves:
    curves = Curves()
    for point in parse_metrics(capsys.readouterr().out, NOW):
        curves.add(point.name, point.step, point.value)
    return curves


def found(curves: Curves) -> set[str]:
    return {rule.description.name for rule, _ in catalog.chosen(()) if rule.look(curves, {})}


def test_one_step_in_so_many_is_observed_and_norms_are_those_of_the_tensors(capsys: pytest.CaptureFixture[str]):
    model = network()
    watch = modelyard.watch(model, every=10)
    train(model, 25)
    expected = {name: float(each.detach().norm()) for name, each in model.named_parameters() if name.endswith("weight")}
    watch.close()
    curves = logged(capsys)
    assert curves.get("gradient_norm").steps == [0, 10, 20]
    assert curves.below("weight_norm").keys() == {"0", "2"}
    assert curves.below("zero_share").keys() == curves.below("dead_share").keys() == {"1"}
    assert 0.2 < curves.get("zero_share/1").values[0] < 0.8
    assert curves.get("weight_norm/0").values[-1] == pytest.approx(expected["0.weight"], rel=0.05)
    total = curves.get("gradient_norm").values[0]
    assert total >= max(each.values[0] for each in curves.below("gradient_norm").values()) > 0
    assert found(curves) == set()


def test_a_network_is_as_it_was_when_the_watch_is_closed_and_evaluation_is_no_step(capsys: pytest.CaptureFixture[str]):
    model = network()
    watch = modelyard.watch(model, every=1)
    model.eval()
    model(torch.randn(4, 16))
    model.train()
    train(model, 1)
    watch.close()
    assert logged(capsys).get("gradient_norm").steps == [0]
    train(model, 3)
    assert capsys.readouterr().out == ""
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_rules_find_what_goes_wrong_in_watched_networks(capsys: pytest.CaptureFixture[str]):
    for model, rate, rule in (
        (network(torch.nn.Sigmoid, depth=12), 0.01, "vanishing_gradients"),
        (network(), 1e30, "not_finite"),
    ):
        watch = modelyard.watch(model, every=1)
        train(model, 8, rate)
        watch.close()
        assert rule in found(logged(capsys))


def test_dead_units_are_seen_in_images_by_channel(capsys: pytest.CaptureFixture[str]):
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(1, 8, 3)
    with torch.no_grad():
        convolution.bias[:6] = -100.0
    model = torch.nn.Sequential(convolution, torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 2))
    watch = modelyard.watch(model, every=1)
    for _ in range(6):
        model(torch.randn(16, 1, 8, 8)).sum().backward()
    watch.close()
    curves = logged(capsys)
    assert curves.get("dead_share/1").values == [0.75] * 6
    assert "dead_units" in found(curves)
