"""A torch program as `load` and `predict`: `model.pt2` (torch.export) or `model.pt` (TorchScript).

It runs on the card that its process was given, else on the cores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_loaded: dict[str, Any] = {}


def load(folder: str) -> None:
    """Load the program in `folder`."""
    import torch  # noqa: PLC0415 - in the model's environment only

    device = "cuda" if torch.cuda.is_available() else "cpu"
    exported = Path(folder, "model.pt2")
    if exported.is_file():
        program = torch.export.load(exported)
        if device == "cuda":
            from torch.export.passes import move_to_device_pass  # noqa: PLC0415 - only newer ones have it

            program = move_to_device_pass(program, device)
        model = program.module()
    else:
        model = torch.jit.load(Path(folder, "model.pt"), map_location=device).eval()
    _loaded.update(torch=torch, model=model, device=device)


def predict(inputs: dict[str, Any]) -> dict[str, Any]:
    """The program's results, which have names only if it returns a dictionary; else their positions."""
    torch = _loaded["torch"]
    with torch.inference_mode():
        tensors = (torch.from_numpy(array.copy()).to(_loaded["device"]) for array in inputs.values())
        result = _loaded["model"](*tensors)
    if isinstance(result, torch.Tensor):
        result = (result,)
    named = result.items() if isinstance(result, dict) else enumerate(result)
    return {str(name): tensor.detach().cpu().numpy() for name, tensor in named}
