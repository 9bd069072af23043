#!/bin/sh
# Podman with runc for tests/containers, from Debian or Ubuntu, unless they are there; busybox makes the smallest image.
set -eu
command -v podman > /dev/null && command -v runc > /dev/null && command -v busybox > /dev/null && exit 0
packages="podman runc busybox-static"
apt-get install -y -qq --no-install-recommends $packages > /dev/null \
	|| { apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages > /dev/null; }
