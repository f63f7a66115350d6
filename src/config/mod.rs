//! The project's folders and each clinic's `clinic.toml`.

mod clinic;
mod project;

pub use clinic::{
    Clinic, Constraints, Empty, LoadMode, LoadOptions, Loss, MapPolicy, Orphans, Site, SourceConfig, TableConfig, TargetConfig,
    Triggers,
};
pub use project::Project;
