"""`modelyard up` as the loop starts it: `modelyard.testing.loop.control` in the place of the control process."""

from modelyard.server import up
from modelyard.server.children import PROGRAMS

if __name__ == "__main__":
    PROGRAMS["control"] = "modelyard.testing.loop.control"
    up.main()
