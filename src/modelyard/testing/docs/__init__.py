"""The documentation, read by somebody who does what it says."""
