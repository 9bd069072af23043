"""What runs inside a training job of the container contract: scripts, several hosts, and algorithms by AWS's names."""
