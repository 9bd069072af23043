"""Training jobs of the container contract: programs that find their data and leave their model below /opt/ml."""
