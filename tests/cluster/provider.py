"""What an operator would write: starts and ends machines, here network namespaces that are there already.

`provider.py start NAME KIND`, `provider.py end NAME KIND`; TEST_SPACE names the namespace, TEST_IP its address.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = "from modelyard.cli.main import main; main()"
HOME, SPACE, IP = (os.environ[name] for name in ("TEST_CLUSTER_HOME", "TEST_SPACE", "TEST_IP"))


def modelyard(*words: str) -> None:
    inside = ["nsenter", f"--net=/run/netns/{SPACE}", sys.executable, "-c", PROGRAM]
    subprocess.run([*inside, *words, "--home", HOME], check=True, timeout=200)


def start() -> None:
    address, options = os.environ["MODELYARD_RAY_ADDRESS"], os.environ["MODELYARD_NODE_OPTIONS"].split()
    modelyard("cluster", "start", "--address", address, "--node-ip", IP, *options)


def end() -> None:
    record = Path(HOME, "run", "cluster", f"{IP}.json")
    if record.exists():
        sys.path.insert(0, str(Path(__file__).parent))
        from modelyard.engines.ray import cluster, nodes
        from modelyard.settings import Home

        node = nodes.read_record(record)
        assert node is not None, json.dumps(str(record))
        cluster.stop_node(Home(Path(HOME)), node)


if __name__ == "__main__":
    {"start": start, "end": end}[sys.argv[1]]()
