-- Demand by hosted VM, edge and step. Instants are milliseconds since the epoch, as everywhere in Umbra.
-- The narrow table has a partition a day; the wider ones have partitions of their own width (see partitions.ts).

create table demand_10s (
  hosted_vm_id text not null,
  at bigint not null,
  edge text not null,
  answers bigint not null,
  deduplicated bigint not null,
  established bigint not null,
  -- Client queries behind resolvers in this step, not per second: so that it can be added up.
  estimated double precision,
  sources integer not null,
  top_share real not null,
  tcp bigint not null,
  response_bytes bigint not null,
  noerror bigint not null, nxdomain bigint not null, servfail bigint not null, refused bigint not null,
  other_rcode bigint not null,
  type_a bigint not null, type_aaaa bigint not null, type_https bigint not null, other_type bigint not null,
  primary key (hosted_vm_id, at, edge)
) partition by range (at);

-- What each edge observed of its stream in each bucket. No row, or no sender: that edge did not look.
create table demand_seen (
  edge text not null,
  at bigint not null,
  observed_share real,
  intake real not null,
  senders integer not null,
  frames bigint not null,
  dropped bigint not null,
  shed bigint not null,
  late bigint not null,
  undecodable bigint not null,
  unknown_names bigint not null,
  primary key (edge, at)
) partition by range (at);
create index on demand_seen (at);

-- Steps of 1 min, 5 min and 1 h, summed over edges and corrected for what the edges did not see.
create table demand_steps (
  step_ms integer not null,
  hosted_vm_id text not null,
  at bigint not null,
  answers bigint not null,
  answers_corrected double precision not null,
  deduplicated_corrected double precision not null,
  established_corrected double precision not null,
  estimated double precision,
  -- The most any bucket and edge saw: distinct sources of buckets cannot be added.
  sources integer not null,
  top_share real not null,
  tcp bigint not null,
  response_bytes bigint not null,
  noerror bigint not null, nxdomain bigint not null, servfail bigint not null, refused bigint not null,
  other_rcode bigint not null,
  type_a bigint not null, type_aaaa bigint not null, type_https bigint not null, other_type bigint not null,
  primary key (step_ms, hosted_vm_id, at)
) partition by list (step_ms);
create table demand_1m partition of demand_steps for values in (60000) partition by range (at);
create table demand_5m partition of demand_steps for values in (300000) partition by range (at);
create table demand_1h partition of demand_steps for values in (3600000) partition by range (at);

-- How many 10 s buckets of a step some edge looked at. No row: missing.
create table demand_step_seen (
  step_ms integer not null,
  at bigint not null,
  live_buckets integer not null,
  primary key (step_ms, at)
);

-- Steps that have changed since they were rolled up; until then they are read from the narrow table.
create table demand_dirty (
  step_ms integer not null,
  at bigint not null,
  primary key (step_ms, at)
);

-- Which batches have been written: a repeat is recognised by its row.
create table demand_batches (
  edge text not null,
  epoch bigint not null,
  seq bigint not null,
  written_at timestamptz not null default now(),
  primary key (edge, epoch, seq)
);
create index on demand_batches (written_at);

-- The newest news of each edge.
create table demand_edges (
  edge text primary key,
  last_bucket_at bigint not null,
  frames_per_second double precision not null,
  observed_share real,
  senders integer not null
);
