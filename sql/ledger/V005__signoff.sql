-- sign-offs: who took a batch for good, and the seal over everything that says what it was

create table trasvase.signoff (
  batch integer primary key references trasvase.batch (number),
  signed_by text not null,
  -- RFC 3339, as the document has it
  signed_at text not null,
  -- SHA-256 (hex) over the document without its seal, keys sorted, no spaces
  seal text not null check (seal ~ '^[0-9a-f]{64}$'),
  -- signoff.json as it was written: hashes, names and counts; no value
  document text not null,
  noted_by text not null default session_user,
  noted_at timestamptz not null default clock_timestamp()
);
