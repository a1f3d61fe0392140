#!/bin/sh
# Gives the container the addresses of the simulated guests, then runs the simulator without privileges.
set -eu
network=${UMBRA_GUEST_NETWORK:-172.30.10}
for n in $(seq 1 199); do
  ip address add "$network.$n/16" dev eth0 2>/dev/null || true
done
exec setpriv --reuid=node --regid=node --init-groups umbra sim "$@"
