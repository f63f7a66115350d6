//! PostgreSQL refuses to run as root, so root runs it as another user, where that user can reach its files.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use nix::unistd::{Uid, User};
use rust_i18n::t;
use sha2::{Digest as _, Sha256};

use crate::error::Failure;
use crate::model::hex;

/// The operating-system user as whom the server runs.
#[derive(Debug, Clone)]
pub struct Account {
    pub name: String,
    uid: u32,
    gid: u32,
    /// We are root and this is somebody else.
    other: bool,
}

impl Account {
    /// Ourselves; as root `postgres`, else `nobody`.
    ///
    /// # Errors
    /// Our user id has no name (PostgreSQL needs one), or root finds neither user.
    pub fn choose() -> Result<Self> {
        let uid = Uid::effective();
        if !uid.is_root() {
            let user = User::from_uid(uid)?
                .ok_or_else(|| Failure::failed(t!("pg.user_without_name", uid = uid.as_raw())))?;
            return Ok(Self::from_user(user, false));
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Self::from_user(user, true));
            }
        }
        Err(Failure::failed(t!("pg.no_other_user")).hint(t!("pg.no_other_user_hint")).into())
    }

    fn from_user(user: User, other: bool) -> Self {
        Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), other }
    }

    /// A command that runs as this user, away from folders it cannot enter, without our `PG*` variables.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if self.other {
            command.uid(self.uid).gid(self.gid);
        }
        command.current_dir("/").env("LC_ALL", "C").env("LANG", "C");
        without_pg_variables(&mut command);
        command
    }

    /// Makes a folder that only this user (and root) can enter.
    pub fn private_folder(&self, path: &Path) -> Result<()> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o700)))
            .and_then(|()| self.own(path))
            .with_context(|| t!("pg.cannot_write", path = path.display()))
    }

    /// Writes a file that only this user (and root) can read.
    pub fn private_file(&self, path: &Path, text: &str) -> Result<()> {
        fs::write(path, text)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
            .and_then(|()| self.own(path))
            .with_context(|| t!("pg.cannot_write", path = path.display()))
    }

    fn own(&self, path: &Path) -> std::io::Result<()> {
        if self.other { chown(path, Some(self.uid), Some(self.gid)) } else { Ok(()) }
    }

    /// Where the data of `folder` live: in it, or, where another user cannot reach it (a project under `/root`), in a
    /// folder of root's outside, named by a hash of its path.
    pub fn home(&self, folder: &Path) -> PathBuf {
        if !self.other || self.reaches(folder) {
            return folder.to_owned();
        }
        let digest = Sha256::digest(folder.as_os_str().as_encoded_bytes());
        outside().join(hex(&digest[..8]))
    }

    /// Whether this user may enter every folder above `folder`.
    fn reaches(&self, folder: &Path) -> bool {
        folder.ancestors().skip(1).all(|above| {
            fs::metadata(above).is_ok_and(|meta| {
                let mode = meta.mode();
                (meta.uid() == self.uid && mode & 0o100 != 0) || mode & 0o001 != 0
            })
        })
    }
}

/// The folder for data that cannot live in the project; only root makes entries in either.
fn outside() -> PathBuf {
    let state = Path::new("/var/lib");
    if state.is_dir() { state.join("trasvase") } else { PathBuf::from("/var/trasvase") }
}

/// Makes the folders above `home` so that another user may pass through, but not list them.
pub(super) fn open_path_to(home: &Path) -> Result<()> {
    let Some(above) = home.parent() else { return Ok(()) };
    if !above.is_dir() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(above)
            .with_context(|| t!("pg.cannot_write", path = above.display()))?;
        if above == outside() {
            fs::set_permissions(above, fs::Permissions::from_mode(0o711))?;
        }
    }
    Ok(())
}

/// Keeps our own `PGHOST`, `PGPASSWORD` and the like away from a child that must use what it is given.
pub fn without_pg_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
}
