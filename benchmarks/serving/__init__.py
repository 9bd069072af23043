"""Modelyard's data plane beside other model servers, and beside the limit of the machine: `make bench-serving`."""
