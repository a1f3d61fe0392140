-- Which Umbra this is: written into every claim in DNS and every marker in a guest, so that a second one with a copied
-- inventory is refused by name. Made once, and kept by a backup of this store.
create table installation (
  only_one boolean primary key default true check (only_one),
  id text not null default left(replace(gen_random_uuid()::text, '-', ''), 12)
);
insert into installation default values;
