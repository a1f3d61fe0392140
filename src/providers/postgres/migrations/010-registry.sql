-- What lists, pages and timelines read. Everything here can be rebuilt from the workflows; the inventory cannot.

create table hosted_vm_views (
  id text primary key,
  at bigint not null,
  view json not null
);

create table events (
  -- Order of arrival: two events of one millisecond keep their order.
  n bigint generated always as identity,
  id text primary key,
  at bigint not null,
  hosted_vm_id text not null,
  kind text not null,
  actor text not null,
  reason json not null,
  facts json not null
);
create index on events (hosted_vm_id, at desc, n desc);
create index on events (at desc, n desc);

-- Numbered, never overwritten. The text is kept as it was written, comments included.
create table inventory_revisions (
  revision integer primary key,
  applied_at bigint not null,
  applied_by text not null,
  inventory json not null,
  written text not null
);

-- Only the newest of each instance.
create table heartbeats (
  instance text primary key,
  at bigint not null,
  load json,
  finding text,
  -- Milliseconds of a disk operation, as means that forget: the newest minute, and what is usual; and how many beats told it.
  disk_ms double precision,
  usual_disk_ms double precision,
  disk_beats bigint not null default 0
);
