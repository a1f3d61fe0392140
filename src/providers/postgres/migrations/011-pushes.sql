-- Which version of each part of the inventory its workflow has taken: what is missing is pushed again.
create table inventory_pushes (
  what text not null,
  id text not null,
  fingerprint text not null,
  revision integer not null,
  primary key (what, id)
);
