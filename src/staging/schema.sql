-- The schemas of a staging file and its bookkeeping. Every statement is safe to run again.
create schema if not exists raw;
create schema if not exists map;
create schema if not exists clean;
create schema if not exists dedupe;
create schema if not exists golden;
create schema if not exists xref;
create schema if not exists target;
create schema if not exists ready;
create schema if not exists reject;
create schema if not exists meta;

-- one row a source of clinic.toml; number is the top part of every _id
create table if not exists meta.source (
  source varchar primary key,
  number integer not null unique,
  -- hash over the options that decide how its files are read
  options_hash varchar not null,
  columns varchar[] not null,
  loaded_at timestamptz not null,
);

-- one row a file that was read
create table if not exists meta.source_file (
  source varchar not null,
  file_number integer not null,
  -- relative to the clinic's folder
  path varchar not null,
  bytes bigint not null,
  sha256 varchar not null,
  -- what was detected or given: encoding, delimiter, quote, header row, sheet; in `frozen` what the next load expects,
  -- where that is something else
  dialect json not null,
  -- records in raw
  loaded bigint not null,
  -- records in meta.load_error
  refused bigint not null,
  -- records by an independent count
  counted bigint not null,
  primary key (source, file_number),
);

-- one row a record that could not be read (record is not null), or a cell that held an error and became null in a
-- record that was read (cell is not null)
create table if not exists meta.load_error (
  source varchar not null,
  path varchar not null,
  file_number integer not null,
  -- 1-based number of the record among the file's data records; null for a cell
  record bigint,
  -- 1-based physical line, or sheet row
  line bigint,
  -- spreadsheet address, such as Sheet1!B7
  cell varchar,
  -- a rule name such as ragged_row
  reason varchar not null,
  -- counts and names, never a value
  detail varchar,
);

-- one row a thing worth a person's look that does not stop anything by itself
create table if not exists meta.finding (
  stage varchar not null,
  -- a rule name such as mixed_encoding, unmapped_value, dst_gap
  rule varchar not null,
  severity varchar not null check (severity in ('critical', 'warning', 'info')),
  -- source, model or table it speaks of
  subject varchar not null,
  column_name varchar,
  count bigint not null,
  detail varchar,
);

-- one row a cell of clean that a line of clinics/<clinic>/fixes/<entity>.csv corrected; the value stays in that file
create table if not exists meta.fix (
  entity varchar not null,
  source_id varchar not null,
  column_name varchar not null,
  -- line of the file, from 1
  line bigint not null,
  who varchar,
  reason varchar,
);

-- one row a build of a model
create table if not exists meta.model_version (
  model varchar not null,
  version bigint not null,
  fingerprint varchar not null,
  sql varchar not null,
  -- what the fingerprint is made of: {"tree": hash, "macros": {name: hash}, "inputs": {name: fingerprint}}
  parts json not null,
  rows bigint not null,
  milliseconds bigint not null,
  built_at timestamptz not null,
  primary key (model, version),
);

-- one row a value that a map leaves without target_value; the values stay in this file
create table if not exists meta.unmapped (
  map varchar not null,
  -- the model whose header names the map
  model varchar not null,
  source_value varchar not null,
  -- rows that hold it
  count bigint not null,
);

-- one row a raw record with an unmapped value, where the map's policy is reject
create table if not exists meta.unmapped_row (
  map varchar not null,
  model varchar not null,
  _id bigint not null,
);

-- one row a target table that is fed by a model whose header names a map
create table if not exists meta.map_use (
  map varchar not null,
  model varchar not null,
  -- name of the target table, such as patient or lml_users.main
  target varchar not null,
  policy varchar not null check (policy in ('reject', 'null', 'keep')),
);

-- one row a row that the last verification found missing, extra or different in the target
create table if not exists meta.difference (
  run varchar not null,
  table_name varchar not null,
  key varchar not null,
  kind varchar not null check (kind in ('missing', 'extra', 'different', 'kept')),
  -- how it came to be so, where the ledger says: unsent, rewritten, overwritten, taken_back, edited, deleted; stands and conflict by clinic.toml
  cause varchar,
  -- names of the columns that differ, of a row that is on both sides
  columns varchar[] not null,
);

-- what the last verification read of its snapshot, for the next one: one row
create table if not exists meta.reading (
  -- hash of everything that decides what is read
  name varchar not null,
  -- sums and counts of each table, and answers to verify/*.sql
  read json not null,
  -- the bucket of every row, one byte each, in the snapshot's order
  buckets blob not null,
);

-- the last end of each stage; input is the hash of what it read
create table if not exists meta.stage (
  stage varchar primary key,
  status varchar not null check (status in ('running', 'done', 'failed')),
  input varchar,
  output varchar,
  counts json,
  run varchar,
  started_at timestamptz not null,
  ended_at timestamptz,
);

-- the clinic as models may read it: one row
create table if not exists meta.clinic (
  name varchar, uid varchar, epoch timestamptz, product varchar, system varchar, timezone varchar,
  country varchar, currency varchar, locale varchar,
);
create table if not exists meta.site (key varchar, name varchar, timezone varchar, position integer);
create table if not exists meta.variable (name varchar, value varchar);

-- one row a rehearsal of a push; report holds counts, rejects, times and locks
create table if not exists meta.rehearsal (
  -- of its run
  id varchar primary key,
  ended_at timestamptz not null,
  snapshot varchar not null,
  -- scratch: a copy of the target; in_place: the target, taken back; target: one that is not production, verified
  place varchar not null check (place in ('scratch', 'in_place', 'target')),
  target varchar not null,
  clean boolean not null,
  why varchar,
  report json not null,
);

-- one row a record of a source with a cursor in whose place a later one with its key is
create table if not exists meta.superseded (source varchar not null, _id bigint not null, by_id bigint not null);

-- one row an end of a stage: what it took
create table if not exists meta.stage_run (
  run varchar not null,
  stage varchar not null,
  -- of push and verify
  target varchar,
  -- as in meta.stage, so that one knows what it was that it made
  output varchar,
  -- rows that it was about
  rows bigint not null,
  milliseconds bigint not null,
  -- the most memory that the process held; null where the system does not say
  peak_bytes bigint,
  -- whether that is of this stage alone, or of the run up to its end
  peak_of_stage boolean not null,
  ended_at timestamptz not null,
);

-- one row a snapshot and a target: what its last whole verification there found
create table if not exists meta.verification (
  snapshot varchar not null,
  target varchar not null,
  run varchar not null,
  clean boolean not null,
  -- verify's report, without values
  report json not null,
  ended_at timestamptz not null,
  primary key (snapshot, target),
);

-- one row a text that has a vector, by its hash: a text is asked for once
create table if not exists meta.embedding (
  model varchar not null,
  dimension bigint not null,
  -- SHA-256 of the text
  hash varchar not null,
  -- as pgvector writes it
  vector varchar not null,
  primary key (model, dimension, hash),
);

-- one row an own step of the clinic: its last end
create table if not exists meta.command (
  name varchar primary key,
  -- such as "before push"
  place varchar not null,
  -- hash of what it did
  fingerprint varchar not null,
  status varchar not null check (status in ('running', 'done', 'failed')),
  run varchar not null,
  milliseconds bigint,
  started_at timestamptz not null,
  ended_at timestamptz,
);

-- one row an archive of a snapshot in a bucket, read back and found whole
create table if not exists meta.archive (
  snapshot varchar not null,
  bucket varchar not null,
  -- what the keys of its objects begin with
  prefix varchar not null,
  objects bigint not null,
  bytes bigint not null,
  -- SHA-256 (hex) of archive.json
  index_sha256 varchar not null,
  -- of the object that may be deleted first; null where only a legal hold keeps them
  retain_until timestamptz,
  legal_hold boolean not null,
  who varchar not null,
  archived_at timestamptz not null,
  primary key (snapshot, bucket, prefix),
);
