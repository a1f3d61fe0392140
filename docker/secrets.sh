#!/bin/sh
# Makes docker/secrets with random content where it is ours to choose, and empty files to be filled where it is not.
# The folder is closed to everybody else on this host; the files are not, because each container reads them as a user of its own.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets
make() { [ -e "secrets/$1" ] || { (umask 022 && printf '%s\n' "$2" >"secrets/$1"); echo "made docker/secrets/$1"; }; }
random() { head -c 32 /dev/urandom | base64 | tr -d '\n=+/'; }
make postgres_password "$(random)"
make heartbeat_secret "$(random)"
if [ ! -e secrets/api_tokens ]; then
  token="umbra_$(random)"
  make api_tokens "admin operations sha256:$(printf %s "$token" | sha256sum | cut -d' ' -f1)"
  make admin_token "$token"
fi
make tsig_key "hmac-sha256:umbra:$(head -c 32 /dev/urandom | base64 | tr -d '\n')"
# --demo: the simulator takes any token it is told.
if [ "${1:-}" = --demo ]; then
  make proxmox_token "umbra@pve!umbra=$(cat /proc/sys/kernel/random/uuid)"
else
  make proxmox_token ''
fi
[ -s secrets/proxmox_token ] && [ "$(cat secrets/proxmox_token)" ] || echo "fill docker/secrets/proxmox_token: user@realm!name=secret (docs/proxmox.md)"
