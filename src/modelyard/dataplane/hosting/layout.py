"""The folder of a model host. Everything the host may read of models lies in it: copies, made by control.

    <host>/c            socket for orders
    <host>/report       what it says of itself (hosting.report)
    <host>/marker       which model is at work at this moment (hosting.signs)
    <host>/<id>/bundle  a copy of a model's bundle
    <host>/<id>/w       socket of that model
"""

from pathlib import Path

CONTROL = "c"
REPORT = "report"
MARKER = "marker"
_BUNDLE = "bundle"
_SOCKET = "w"


def bundle_of(folder: Path, id: str) -> Path:
    """Where the bundle of the model `id` lies."""
    return folder / id / _BUNDLE


def socket_of(folder: Path, id: str) -> Path:
    """Where the model `id` is reached."""
    return folder / id / _SOCKET
