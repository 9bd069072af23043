"""The gateway stays small: what it does not import cannot slow it down, break it or be attacked in it."""

import subprocess
import sys

FORBIDDEN = (
    "modelyard.control",
    "modelyard.storage",
    "modelyard.settings",
    "modelyard.runtimes.formats",
    "sqlalchemy",
    "dbos",
    "pydantic",
    "pydantic_settings",
    "fastapi",
    "onnx",
    "onnxruntime",
    "sklearn",
    "scipy",
    "xgboost",
    "lightgbm",
    "pyarrow",
)
NOT_IN_THE_GATEWAY = ("PIL", "grpc", "google.protobuf", "fastapi_swagger", "modelyard.data")
"""Images are decoded elsewhere; gRPC is loaded when it is wanted."""


def loaded(statement: str) -> set[str]:
    code = f"{statement}; import sys; print('\\n'.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_gateway_imports_neither_control_nor_a_model_framework():
    modules = loaded("import modelyard.server.gateway")
    assert [name for name in (*FORBIDDEN, *NOT_IN_THE_GATEWAY) if name in modules] == []


def test_a_worker_imports_no_server_and_no_control():
    modules = loaded("import modelyard.dataplane.model_server, modelyard.runtimes.bundle")
    assert [name for name in (*FORBIDDEN, "uvicorn", "httptools", "httpcore") if name in modules] == []
