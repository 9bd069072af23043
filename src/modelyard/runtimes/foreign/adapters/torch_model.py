"""A torch program as `load` and `predict`: `model.pt2` (torch.export) or `model.pt` (TorchScript)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_loaded: dict[str, Any] = {}


def load(folder: str) -> None:
    """Load the program in `folder`."""
    import torch  # noqa: PLC0415 - in the model's environment only

    _loaded["torch"] = torch
    exported = Path(folder, "model.pt2")
    if exported.is_file():
        _loaded["model"] = torch.export.load(exported).module()
    else:
        _loaded["model"] = torch.jit.load(Path(folder, "model.pt"), map_location="cpu").eval()


def predict(inputs: dict[str, Any]) -> dict[str, Any]:
    """The program's results, which have names only if it returns a dictionary; else their positions."""
    torch = _loaded["torch"]
    with torch.inference_mode():
        result = _loaded["model"](*(torch.from_numpy(array.copy()) for array in inputs.values()))
    if isinstance(result, torch.Tensor):
        result = (result,)
    named = result.items() if isinstance(result, dict) else enumerate(result)
    return {str(name): tensor.detach().cpu().numpy() for name, tensor in named}
