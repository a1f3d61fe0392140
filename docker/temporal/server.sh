#!/bin/sh
# The server takes its password from the environment only; it comes from a file and goes no further.
set -eu
POSTGRES_PWD=$(cat /run/secrets/postgres_password)
export POSTGRES_PWD
exec /etc/temporal/entrypoint.sh
