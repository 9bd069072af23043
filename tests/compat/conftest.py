"""KServe's client runs where it is installed, since it lowers the pins of other packages: `make test-kserve`."""

import importlib.util

collect_ignore = [] if importlib.util.find_spec("kserve") else ["test_kserve.py"]
