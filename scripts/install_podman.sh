#!/bin/sh
# Podman with runc and a registry for tests/containers, from Debian or Ubuntu, unless they are there; busybox makes the
# smallest image.
set -eu
is_there() { command -v "$1" > /dev/null; }
is_there podman && is_there runc && is_there busybox && is_there docker-registry && exit 0
# Debian starts a registry as a service once it is installed; the tests start one of their own.
if ! is_there docker-registry && [ -d /run/systemd/system ]; then systemctl mask --quiet docker-registry.service; fi
packages="podman runc busybox-static docker-registry"
apt-get install -y -qq --no-install-recommends $packages > /dev/null \
	|| { apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages > /dev/null; }
