//! Which state of the project's repository a snapshot was made with.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// The commit that is checked out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Git {
    pub commit: String,
    /// Files that differ from it.
    pub dirty: u64,
}

/// None where there is no repository, no commit, or no git.
pub(super) fn of(root: &Path) -> Option<Git> {
    let ask = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let commit = ask(&["rev-parse", "--verify", "HEAD"])?.trim().to_owned();
    let dirty = ask(&["status", "--porcelain", "--untracked-files=all"])?.lines().count();
    Some(Git { commit, dirty: dirty as u64 })
}
