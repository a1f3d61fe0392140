#!/bin/sh
# BIND for the demonstration: the zone is copied once, then it belongs to the updates.
set -eu
cd /var/lib/umbra-dns
[ -e umbra.example.zone ] || cp /etc/umbra-dns/umbra.example.zone .
IFS=: read -r algorithm name secret </run/secrets/tsig_key
umask 077
printf 'key "%s" { algorithm %s; secret "%s"; };\n' "$name" "$algorithm" "$secret" >key.conf
exec named -f -c /etc/umbra-dns/named.conf
