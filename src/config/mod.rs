//! The project's folders and each clinic's `clinic.toml`.

mod archive;
mod clinic;
mod csv;
mod dedupe;
mod embed;
mod files;
mod labels;
mod mistake;
mod near;
mod notify;
mod origin;
mod own_step;
mod project;
pub mod sheet;
mod source;
mod sql_file;
mod users;

pub use archive::{Archive, LockMode};
pub use clinic::{
    Clinic, Constraints, Ids, LedgerConfig, LoadMode, LoadOptions, Loss, MapPolicy, Orphans, Retention,
    Safety, Site, TableConfig, TargetConfig, Triggers,
};
pub use dedupe::{Columns, Compare, CompareKind, Dedupe, Exact, Read, Role, Rule, Survivor};
pub use embed::Embed;
pub use files::{Consent, FileColumn, Files};
pub use labels::Labels;
pub(crate) use near::{near, nearest};
pub use notify::{Format, Notify, Occasion};
pub use own_step::{Moment, OwnStep, Place, Work};
pub use project::Project;
pub use source::{Empty, SourceConfig};
pub use sql_file::{Header, SqlFile, macro_files, map_files, shown, sql_files};
pub use users::{Password, Provider, Users};
