"""Processes in containers, through the API of Docker or Podman."""
