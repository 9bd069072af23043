"""Bodies that take heavy or attackable libraries (Parquet, images) are decoded here, in a process beside the gateway.

The gateway starts `python -m modelyard.dataplane.decoding` when the first such body comes. The process has no socket,
a limit on its memory, and one body at a time; if a body ends it, that request fails and the next one starts it anew.
"""
