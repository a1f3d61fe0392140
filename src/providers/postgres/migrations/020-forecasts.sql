-- Fitted models, what they said, and what was concluded from it.

create table forecast_choices (
  hosted_vm_id text primary key,
  model text not null,
  chosen_at bigint not null,
  reason json not null,
  state json not null
);

-- Kept for some days: calibration compares what was said with what came.
create table forecasts (
  hosted_vm_id text not null,
  at bigint not null,
  model text not null,
  start bigint not null,
  step_ms integer not null,
  quantiles json not null,
  primary key (hosted_vm_id, at)
);
create index on forecasts (at);

create table evaluations (
  hosted_vm_id text not null,
  at bigint not null,
  evaluation json not null,
  primary key (hosted_vm_id, at)
);
create index on evaluations (at);
