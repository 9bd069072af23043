"""Watches a PyTorch network while it is trained: every so many steps, statistics of some of its layers."""

import atexit
import os
from collections.abc import Sequence
from typing import Any, TypeVar

from modelyard.kit.metric_lines import write_metrics
from modelyard.types.debugging.rules import DEAD_SHARE, GRADIENT_NORM, NOT_FINITE, WEIGHT_NORM, ZERO_SHARE

_T = TypeVar("_T")
_ACTIVATIONS = "torch.nn.modules.activation"
_MATRIX, _IMAGES = 2, 4


def watch(model: Any, *, every: int = 50, layers: int = 16, rows: int = 64) -> "NetworkWatch":
    """Log statistics of a network's gradients, weights and activations as live figures of the job.

    Nothing else has to change: hooks see each training step, and act in one of `every`.

    Args:
        model: a `torch.nn.Module`.
        every: so many steps apart; a step is one call of the model in training mode.
        layers: so many layers and activations at most, spread over the network.
        rows: so many rows of a batch at most, for activations.

    Returns:
        The watch. It ends with the program, or by `close()`, before `torch.save` of a whole module.
    """
    return NetworkWatch(model, max(1, every), max(1, layers), max(1, rows))


class NetworkWatch:
    """See `watch`. For the thread that trains."""

    def __init__(self, model: Any, every: int, layers: int, rows: int) -> None:
        self._every = every
        self._rows = rows
        self._step = 0
        self._observed: int | None = None
        self._seen: dict[str, Any] = {}
        self._hooks: list[Any] = []
        self._parameters = {name: each for name, each in model.named_parameters() if each.requires_grad}
        matrices = [name for name, each in self._parameters.items() if each.dim() >= _MATRIX]
        self._shown = set(_spread(matrices, layers))
        modules = [(name, each) for name, each in model.named_modules() if type(each).__module__ == _ACTIVATIONS]
        self._activations = _spread(modules, layers)
        is_first = os.environ.get("RANK", "0") == "0"  # the others of a gang have the same gradients
        self._before = model.register_forward_pre_hook(self._on_forward) if is_first else None
        atexit.register(self._flush)

    def close(self) -> None:
        """Log what was seen, and take all hooks away."""
        self._flush()
        atexit.unregister(self._flush)
        if self._before is not None:
            self._before.remove()
            self._before = None

    def _on_forward(self, model: Any, _inputs: object) -> None:
        """A step begins, and the one before is over."""
        if not model.training:
            return
        self._flush()
        if self._step % self._every == 0:
            self._observed = self._step
            for name, parameter in self._parameters.items():
                self._hooks.append(parameter.register_post_accumulate_grad_hook(self._gradient_hook(name)))
            for name, module in self._activations:
                self._hooks.append(module.register_forward_hook(self._activation_hook(name)))
        self._step += 1

    def _gradient_hook(self, name: str) -> Any:
        layer = name.removesuffix(".weight")

        def look(parameter: Any) -> None:
            gradient = parameter.grad.detach()
            self._seen[f"{GRADIENT_NORM}/{layer}"] = gradient.norm()
            if name in self._shown:
                weights = parameter.detach()
                self._seen[f"{WEIGHT_NORM}/{layer}"] = weights.norm()
                self._seen[f"{NOT_FINITE}/gradients/{layer}"] = (~gradient.isfinite()).sum()
                self._seen[f"{NOT_FINITE}/weights/{layer}"] = (~weights.isfinite()).sum()

        return look

    def _activation_hook(self, name: str) -> Any:
        def look(module: Any, _inputs: object, output: Any) -> None:
            if not module.training or not hasattr(output, "detach") or output.dim() < _MATRIX:
                return
            values = output.detach()[: self._rows]
            is_zero = values == 0
            axis = 1 if is_zero.dim() >= _IMAGES else is_zero.dim() - 1
            others = [each for each in range(is_zero.dim()) if each != axis]
            self._seen[f"{ZERO_SHARE}/{name}"] = is_zero.float().mean()
            self._seen[f"{DEAD_SHARE}/{name}"] = is_zero.float().amin(dim=others).mean()
            self._seen[f"{NOT_FINITE}/activations/{name}"] = (~values.isfinite()).sum()

        return look

    def _flush(self) -> None:
        """Log what the hooks have seen; one transfer from the device for all of it."""
        if self._observed is None:
            return
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        step, self._observed = self._observed, None
        seen, self._seen = self._seen, {}
        if not seen:
            return
        import torch  # noqa: PLC0415 - whoever has a module to watch has it

        values = torch.stack([each.float() for each in seen.values()]).tolist()
        figures = dict(zip(seen, values, strict=True))
        norms = [value for name, value in figures.items() if name.startswith(f"{GRADIENT_NORM}/")]
        shown = {name: value for name, value in figures.items() if self._is_shown(name, value)}
        if norms:
            shown[GRADIENT_NORM] = sum(norm * norm for norm in norms) ** 0.5
        write_metrics(shown, step)

    def _is_shown(self, name: str, value: float) -> bool:
        if name.startswith(NOT_FINITE):
            return value > 0
        figure, _, layer = name.partition("/")
        return figure != GRADIENT_NORM or f"{layer}.weight" in self._shown or layer in self._shown


def _spread(items: Sequence[_T], most: int) -> list[_T]:
    """At most so many, from the first to the last."""
    if len(items) <= most:
        return [*items]
    last = len(items) - 1
    return [items[round(index * last / max(1, most - 1))] for index in range(most)]
