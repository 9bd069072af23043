"""Loaded first by every Python that `modelyard aws run` starts: STS of Amazon is STS of the platform there.

The SageMaker SDKs name `https://sts.<region>.amazonaws.com` themselves, and so pass by AWS_ENDPOINT_URL. botocore is
imported only when the program does it.
"""

import importlib.abc
import importlib.machinery
import os
import re
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

_PATCHED = "botocore.session"
_STS = re.compile(r"https://sts(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?/?")


class _Finder(importlib.abc.MetaPathFinder):
    """Finds `botocore.session` as Python does, and has it changed once it is loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != _PATCHED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_change(module: ModuleType) -> None:
                load(module)
                _redirect(module)

            spec.loader.exec_module = load_and_change  # type: ignore[method-assign] # this one loader's only
        return spec


def _redirect(module: Any) -> None:
    create = module.Session.create_client

    def create_client(self: Any, service_name: str, *arguments: Any, **options: Any) -> Any:
        if _STS.fullmatch(options.get("endpoint_url") or ""):
            options["endpoint_url"] = os.environ["AWS_ENDPOINT_URL"]
        return create(self, service_name, *arguments, **options)

    module.Session.create_client = create_client


if "AWS_ENDPOINT_URL" in os.environ:
    sys.meta_path.insert(0, _Finder())
