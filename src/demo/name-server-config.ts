import type { TsigKey } from '../providers/dns/tsig.ts';

type Place = {
  readonly dir: string;
  readonly host: string;
  readonly port: number;
  readonly zone: string;
  readonly key: TsigKey;
  /** Path of the unix socket frames go to. */
  readonly dnstapSocket?: string;
  /** Whether the key may also read the whole zone, as `umbra discover` does; it may unless told. */
  readonly transfers?: boolean;
};

/**
 * BIND logs an answer as AUTH_RESPONSE when the question had RD=0 and as CLIENT_RESPONSE when it had RD=1: both are asked for.
 * Of the zone's file BIND keeps a journal beside it; nobody edits it by hand.
 */
export function bindConfig(place: Place, statisticsPort: number): string {
  const { dir, host, port, zone, key } = place;
  const dnstap =
    place.dnstapSocket === undefined
      ? ''
      : `
  dnstap { auth response; client response; };
  dnstap-output unix "${place.dnstapSocket}";
  dnstap-identity "demo-bind";
  dnstap-version none;
  fstrm-set-input-queue-size 16384;
  fstrm-set-reopen-interval 1;`;
  return `key "${key.name}" { algorithm ${key.algorithm}; secret "${key.secret}"; };
options {
  directory "${dir}";
  listen-on port ${port} { ${host}; };
  listen-on-v6 { none; };
  recursion no;
  allow-transfer { ${place.transfers === false ? 'none' : `key "${key.name}"`}; };
  notify no;
  minimal-responses yes;
  dnssec-validation no;
  empty-zones-enable no;
  lock-file none;
  pid-file "${dir}/named.pid";
  session-keyfile "${dir}/session.key";${dnstap}
};
statistics-channels { inet ${host} port ${statisticsPort} allow { ${host}; }; };
controls { };
zone "${zone}" {
  type primary;
  file "${dir}/${zone}.zone";
  update-policy { grant ${key.name} zonesub ANY; };
};
`;
}

/** Debian's Knot 3.2 sends dnstap to unix sockets only: given a TCP address it writes a file of that name. */
export function knotConfig(place: Place): string {
  const { dir, host, port, zone, key } = place;
  const dnstap =
    place.dnstapSocket === undefined
      ? ''
      : `mod-dnstap:
  - id: capture
    sink: "unix:${place.dnstapSocket}"
    identity: demo-knot
    log-queries: off
    log-responses: on
`;
  return `server:
    rundir: "${dir}/run"
    listen: ${host}@${port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: "${dir}/db"
    journal-db-mode: asynchronous
key:
  - id: ${key.name}
    algorithm: ${key.algorithm}
    secret: ${key.secret}
acl:
  - id: umbra
    key: ${key.name}
    action: ${place.transfers === false ? 'update' : '[transfer, update]'}
${dnstap}template:
  - id: default
    storage: "${dir}"
    file: "%s.zone"
    zonefile-sync: -1
    journal-content: changes
${dnstap === '' ? '' : '    global-module: mod-dnstap/capture\n'}zone:
  - domain: ${zone}
    acl: umbra
`;
}
