-- Forecasts are fitted in turns, compared with what came, and corrected when they were wrong.

-- Whose turn it is. A claim ends by itself, so that a worker that is killed holds nobody up.
create table forecast_fits (
  hosted_vm_id text primary key,
  due_at bigint not null,
  claimed_by text not null,
  claimed_until bigint not null,
  -- Why there is no fitted model yet; null when there is one.
  unfit text
);

-- What was true when an evaluation was made and cannot be told from it later.
alter table evaluations
  add column lead_ms bigint,
  add column capacity_qps double precision,
  add column ready integer,
  -- Failures expected in the lead time before findings count, and sizes of the findings by code.
  add column expected_failures double precision,
  add column covariates json;

-- Whether a shadow was needed within the lead time of an evaluation.
create table risk_outcomes (
  hosted_vm_id text not null,
  at bigint not null,
  -- As computed, and as shown after correction.
  raw real not null,
  score real not null,
  -- Null when it cannot be known: demand was missing all along.
  needed boolean,
  -- Start of the need; the same for all evaluations that saw it coming.
  need_at bigint,
  need text,
  -- What the evaluation knew: risk and peaks in words.
  known text,
  ready integer not null,
  -- Shadows kept warm times how long, until the next evaluation.
  idle_ms bigint not null,
  -- When the primary failed within the lead time; null when it did not.
  failed_at bigint,
  expected_failures double precision,
  covariates json,
  primary key (hosted_vm_id, at)
);
create index on risk_outcomes (at);
create index on risk_outcomes (need_at) where needed;

-- One 5-minute step, as it was forecast a quarter of an hour before, and as it came.
create table forecast_outcomes (
  hosted_vm_id text not null,
  at bigint not null,
  model text not null,
  issued_at bigint not null,
  actual real not null,
  p50 real not null,
  p90 real not null,
  p99 real not null,
  primary key (hosted_vm_id, at)
);
create index on forecast_outcomes (at);

-- Whether a hosted VM's forecasts are believed.
create table forecast_drift (
  hosted_vm_id text primary key,
  -- ok, alarm or off
  kind text not null,
  since bigint not null,
  coverage90 double precision,
  coverage99 double precision,
  steps integer not null,
  reason json
);

-- CPU of the instance that serves alone, once a minute.
create table cpu_samples (
  hosted_vm_id text not null,
  at bigint not null,
  cpu real not null,
  primary key (hosted_vm_id, at)
);
create index on cpu_samples (at);

create table learned_capacities (
  hosted_vm_id text primary key,
  at bigint not null,
  learned json not null
);

-- The fleet's newest calibration; one row.
create table risk_calibrations (
  single boolean primary key default true check (single),
  at bigint not null,
  calibration json not null
);

-- The fleet's newest weights of health findings; one row.
create table health_weights (
  single boolean primary key default true check (single),
  at bigint not null,
  learned json not null
);
