//! trasvase moves a clinic's data into PostgreSQL and proves that nothing was lost.
//!
//! | stage | reads | writes | answers for |
//! |---|---|---|---|
//! | [`load`] | source files | `raw.*` | every record is in `raw`, or in `meta.load_error` with its line or cell |
//! | [`transform`] | `raw`, `map` | `clean`, `golden`, `xref`, `target` | the SQL in git is what ran |
//! | [`embed`] | `target`, a service | `target`, `meta.embedding` | a text is asked for once, and has its vector |
//! | [`check`] | `target`, the live catalog | `ready`, `reject` | nothing PostgreSQL would refuse is in `ready` |
//! | [`export`] | `ready` | a snapshot | same input, same SQL, same bytes |
//! | [`push`] | a snapshot | PostgreSQL and the ledger, in one transaction | all or nothing |
//! | [`verify`] | a snapshot, the ledger, PostgreSQL | a report, an exit code | equality is proven by asking the target |
//! | [`rollback`] | the ledger | PostgreSQL and the ledger, in one transaction | every row as it was, or left and named |
//! | [`rehearse`] | what a run did and took | `meta.rehearsal` | what the night will be like, and what changed since |
//! | [`trace`] | the staging file, the ledger, PostgreSQL | a report | where a record went, where a row is from |
//! | [`report`] | a snapshot, the staging file, a verification | a page, and the same as JSON | what a migration came to, in one file |
//! | [`signoff`] | a snapshot, the ledger, a verification | `signoff.json` and the ledger | what was signed is what is there |
//! | [`files`] | documents and photos, who they belong to | buckets, rows that tell of them | the same bytes go up once |
//! | [`archive`] | a snapshot, its sources, the staging file, reports | a bucket under Object Lock | read back and hashed before it is called archived |
//! | [`users`] | `clean.app_user`, a service's accounts | accounts, their ids in PostgreSQL | nobody twice, and nobody unnamed who has none |
//! | [`profile`] | `raw` | a report, drafts of models | what the sources hold before there is a model |
//! | [`purge`] | staging, the ledger | a list of what it destroyed | nothing is kept longer than it is needed |
//! | [`commands`] | the staging file, PostgreSQL, a program | what the clinic says | its own steps run where they belong |
//! | [`notify`] | what a run came to | a webhook | names and counts only, and never in the way |
//!
//! Every record of every source ends with one verdict: `imported`, `merged` (into another), `rejected`, `filtered` (by a model);
//! in one target's ledger also `skipped` (its row is unchanged there) or `left_out` (people deleted its row there, or one that
//! it refers to). They add up to what was read.
//!
//! Four rings, imports point inwards only: `cli` → stages → adapters (`sources`, `staging`, `dedupe`, `desk`, `snapshot`, `codec`,
//! `pg`, `aws`, `http`, `config`) → `model`, `error`. `dedupe` is no stage of its own: what it finds are tables of transform's
//! graph.

rust_i18n::i18n!("locales", fallback = "en");

pub mod archive;
pub mod aws;
pub mod check;
pub mod cli;
pub mod codec;
pub mod commands;
pub mod config;
pub mod dedupe;
pub mod desk;
pub mod embed;
pub mod error;
pub mod export;
pub mod files;
pub mod http;
pub mod load;
pub mod model;
pub mod notify;
pub mod pg;
pub mod profile;
pub mod purge;
pub mod push;
pub mod rehearse;
pub mod report;
pub mod rollback;
pub mod sample;
pub mod signoff;
pub mod snapshot;
pub mod sources;
pub mod staging;
pub mod trace;
pub mod transform;
pub mod users;
pub mod verify;

pub use cli::run;
