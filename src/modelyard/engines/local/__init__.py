"""Sandboxed processes on this machine. Kept empty: the supervisor imports this package without site-packages."""
