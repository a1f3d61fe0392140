#!/bin/sh
# The namespace, its retention and the registry's search attributes. May run again.
set -eu
tries=0
until temporal operator cluster health >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || { echo "Temporal at $TEMPORAL_ADDRESS does not answer" >&2; exit 1; }
  sleep 2
done
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 336h
for attribute in HostedVmId:Keyword InstanceRole:Keyword InstanceState:Keyword Cluster:Keyword ProxmoxNode:Keyword \
  StorageClass:Keyword HealthState:Keyword RiskBand:Keyword ProbationEndsAt:Datetime Paused:Bool; do
  temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE" | grep -q "^ *${attribute%%:*} " ||
    temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" --name "${attribute%%:*}" --type "${attribute##*:}"
done
