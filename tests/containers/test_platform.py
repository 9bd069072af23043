"""A whole platform whose jobs, model hosts and workers run in containers, started as a user starts it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from modelyard.engines.containers.sockets import open_client
from modelyard.quickstart.digits import load_digits
from modelyard.sdk.client import Client
from modelyard.testing.programs import Program
from modelyard.testing.services.containers import Podman
from modelyard.types.processes import SandboxLevel

pytestmark = pytest.mark.slow
