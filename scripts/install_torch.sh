#!/bin/sh
# Install the CPU build of torch: the default Linux wheel brings gigabytes of CUDA packages that nobody here asked for.
set -eu
python=$1
index=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
uv=$(python3 scripts/get_uv.py)
if [ -n "${PIP_FIND_LINKS:-}" ]; then
    "$uv" pip install --python "$python" --find-links "$PIP_FIND_LINKS" "torch==2.13.0"
else
    "$uv" pip install --python "$python" --index "$index" --index-strategy unsafe-best-match "torch>=2.6"
fi
