//! The project's folders and each clinic's `clinic.toml`.

mod clinic;
mod layers;
mod project;
mod sql_file;

pub use clinic::{
    Clinic, Constraints, Empty, LoadMode, LoadOptions, Loss, MapPolicy, Orphans, Safety, Site, SourceConfig,
    TableConfig, TargetConfig, Triggers,
};
pub use layers::{layers, sql_files};
pub use project::Project;
pub use sql_file::{Header, SqlFile, macro_files, map_files, model_files, shown};
