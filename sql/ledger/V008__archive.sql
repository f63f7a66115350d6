-- archives: where a batch's snapshot and what it was made of lie under retention, read back and found whole

create table trasvase.archive (
  batch integer not null references trasvase.batch (number),
  bucket text not null,
  -- what the keys of its objects begin with
  prefix text not null,
  objects bigint not null,
  bytes bigint not null,
  -- SHA-256 (hex) of archive.json, which names every object with its hash
  index_sha256 text not null check (index_sha256 ~ '^[0-9a-f]{64}$'),
  -- of the object that may be deleted first; null where only a legal hold keeps them
  retain_until timestamptz,
  legal_hold boolean not null,
  archived_by text not null,
  noted_by text not null default session_user,
  archived_at timestamptz not null default clock_timestamp(),
  primary key (batch, bucket, prefix, index_sha256)
);
