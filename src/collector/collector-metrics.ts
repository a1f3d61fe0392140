import { Counter, Gauge, Registry } from 'prom-client';

import type { CollectorStats } from './collector.ts';

/** Prometheus metrics of one collector, read from its figures when asked. Every name begins with `umbra_collector_`. */
export function metricsOf(edge: string, statsNow: () => CollectorStats): () => Promise<string> {
  const registry = new Registry();
  registry.setDefaultLabels({ edge });
  const gauge = (name: string, help: string, value: (stats: CollectorStats) => number): void => {
    const made: Gauge = new Gauge({
      name: `umbra_collector_${name}`,
      help,
      registers: [registry],
      collect: () => made.set(value(statsNow())),
    });
  };
  const counter = (
    name: string,
    help: string,
    label: string,
    values: (s: CollectorStats) => Record<string, number>,
  ): void => {
    const made: Counter = new Counter({
      name: `umbra_collector_${name}`,
      help,
      labelNames: [label],
      registers: [registry],
      collect: () => {
        made.reset();
        for (const [key, value] of Object.entries(values(statsNow()))) made.inc({ [label]: key }, value);
      },
    });
  };
  counter('frames_total', 'dnstap frames by what became of them', 'outcome', (s) => s.frames);
  counter('bytes_total', 'Bytes received from name servers', 'listener', (s) => ({ all: s.bytes }));
  counter('stream_errors_total', 'Streams given up, by reason', 'code', (s) => s.streamErrors);
  counter('batches_total', 'Batches by what the store said', 'outcome', (s) => s.batches);
  counter('spool_changes_total', 'Buckets put together or given up because the spool was full', 'change', (s) => ({
    condensed: s.spool.condensed,
    dropped: s.spool.dropped,
  }));
  counter('connections_total', 'Connections of name servers', 'outcome', (s) => s.connections);
  gauge('senders', 'Name servers connected now', (s) => s.senders);
  gauge('lag_seconds', 'Age of the newest event when it was read', (s) => s.lagMs / 1_000);
  gauge(
    'observed_share',
    'Part of the stream that was observed in the last bucket; NaN when unknown',
    (s) => s.observedShare ?? NaN,
  );
  gauge('kept_ratio', 'Part of the frames that is read; below 1 when overloaded', (s) => s.kept);
  gauge('names', 'Registered names', (s) => s.names);
  gauge('spool_batches', 'Batches that wait for the store', (s) => s.spool.files);
  gauge('spool_bytes', 'Bytes of batches that wait for the store', (s) => s.spool.bytes);
  gauge('store_failing', '1 while the store takes no demand', (s) => (s.storeFailing ? 1 : 0));
  gauge('last_bucket_timestamp_seconds', 'Start of the newest closed bucket', (s) => (s.lastBucketAt ?? NaN) / 1_000);
  gauge('sightings_evicted', 'Entries of the source table that went before their time', (s) => s.evicted);
  return () => registry.metrics();
}
