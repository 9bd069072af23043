"""What a supervisor keeps on a disk that has become full: a small file system of its own, which is filled up."""

import json
import subprocess
import sys

from modelyard.engines.local.sandbox.levels import bubblewrap

PROGRAM = """
import contextlib, json, sys
from modelyard.engines.local.shim.files import read_json, reserve, write_json
if sys.argv[1] == "reserved":
    reserve("end.json")
with contextlib.suppress(OSError), open("rest", "wb", buffering=0) as file:
    while True:
        file.write(bytes(512))
write_json("end.json", {"cause": "EXIT", "log_tail": "x" * 4096})
print(json.dumps(read_json("end.json")))
"""


def end_on_a_full_disk(is_reserved: bool) -> dict[str, str] | None:
    small = ("--dev-bind", "/", "/", "--size", str(256 << 10), "--tmpfs", "/mnt", "--chdir", "/mnt")
    program = (sys.executable, "-c", PROGRAM, "reserved" if is_reserved else "not")
    done = subprocess.run(
        [bubblewrap() or "bwrap", *small, *program], capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


def test_the_account_of_an_end_has_its_room_also_on_a_disk_that_is_full_by_then():
    end = end_on_a_full_disk(is_reserved=True)
    assert end is not None
    assert (end["cause"], len(end["log_tail"])) == ("EXIT", 4096)
    assert end_on_a_full_disk(is_reserved=False) is None, "the disk was full"
