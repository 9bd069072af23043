"""Environments that need no more than their name: the frameworks in the versions that this installation has.

TensorFlow, AutoGluon and Spark are never part of an installation: their versions are the package index's to say. Torch
is offered where it is installed only, in just that build: what an index has under its bare name may bring gigabytes for
GPUs.
"""

from importlib.metadata import PackageNotFoundError, version

_FRAMEWORKS = {
    "sklearn": ("numpy", "scikit-learn", "skops", "pandas"),
    "xgboost": ("numpy", "xgboost-cpu"),
    "lightgbm": ("numpy", "lightgbm"),
    "torch": ("numpy", "torch"),
}
_FROM_INDEX = {
    "tensorflow": "numpy\ntensorflow-cpu\n",
    # Of the models that it can fit those that bring no packages for GPUs.
    "autogluon": "autogluon.tabular[lightgbm,xgboost]\n",
    # pandas as far as PySpark supports it; the others turn its models into ONNX.
    "spark": "pyspark>=4\nnumpy\npandas<3\npyarrow\nonnxmltools\nonnxruntime\n",
}


def ready_made() -> dict[str, str]:
    """Name -> requirements."""
    found = {name: _pinned(packages) for name, packages in _FRAMEWORKS.items()}
    return {name: requirements for name, requirements in found.items() if requirements} | _FROM_INDEX


def _pinned(packages: tuple[str, ...]) -> str:
    """With the versions that are installed; "" if one is not."""
    try:
        return "".join(f"{package}=={version(package)}\n" for package in packages)
    except PackageNotFoundError:
        return ""
