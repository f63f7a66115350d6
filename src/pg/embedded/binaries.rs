//! Where a PostgreSQL server's programs are on this machine.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use rust_i18n::t;

use crate::error::Failure;

/// The oldest major version that trasvase works with.
pub const OLDEST: u32 = 14;

/// One installed server: the folder of `initdb`, `pg_ctl` and `postgres`, and its major version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    folder: PathBuf,
    major: u32,
}

impl Binaries {
    /// The first usable server: PATH, `pg_config --bindir`, then Debian's and Homebrew's folders, newest first.
    ///
    /// `wanted` is the major version that existing data need.
    ///
    /// # Errors
    /// None is installed, all are too old, or none has the wanted version.
    pub fn find(wanted: Option<u32>) -> Result<Self> {
        Self::among(&candidates(), wanted)
    }

    fn among(folders: &[PathBuf], wanted: Option<u32>) -> Result<Self> {
        let found: Vec<Self> = folders.iter().filter_map(|folder| Self::inspect(folder)).collect();
        if let Some(fit) =
            found.iter().find(|one| wanted.map_or(one.major >= OLDEST, |wanted| one.major == wanted))
        {
            return Ok(fit.clone());
        }
        let versions = found.iter().map(|one| one.major.to_string()).collect::<Vec<_>>().join(", ");
        let failure = match (wanted, found.is_empty()) {
            (Some(wanted), _) => Failure::failed(t!("pg.wrong_major", wanted = wanted, found = versions)),
            (None, true) => Failure::failed(t!("pg.no_server", oldest = OLDEST)),
            (None, false) => Failure::failed(t!("pg.server_too_old", oldest = OLDEST, found = versions)),
        };
        Err(failure
            .hint(t!("pg.install_debian", package = debian_package(wanted)))
            .hint(t!("pg.install_macos", major = wanted.unwrap_or(17)))
            .hint(t!("pg.or_database_url"))
            .into())
    }

    /// A program of this server.
    pub fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    pub fn major(&self) -> u32 {
        self.major
    }

    /// This server's client program, else the one on PATH (clients may be a package of their own).
    pub fn client(&self, program: &str) -> PathBuf {
        let own = self.path(program);
        if own.is_file() { own } else { PathBuf::from(program) }
    }

    fn inspect(folder: &Path) -> Option<Self> {
        // Links are followed, since PostgreSQL looks for its share folder beside the real program.
        let folder = folder.join("initdb").canonicalize().ok()?.parent()?.to_owned();
        if !folder.join("pg_ctl").is_file() {
            return None;
        }
        let major = major(&folder.join("postgres"))?;
        Some(Self { folder, major })
    }
}

/// The newest client program of this name on the machine (`pg_dump` refuses a server that is newer than itself), else
/// its bare name. Clients may be installed without a server.
pub fn client_program(program: &str) -> PathBuf {
    newest_client(&candidates(), program).unwrap_or_else(|| PathBuf::from(program))
}

/// The major version of the newest client program of this name, if there is one.
pub fn client_major(program: &str) -> Option<u32> {
    major(&client_program(program))
}

fn newest_client(folders: &[PathBuf], program: &str) -> Option<PathBuf> {
    let clients = folders.iter().map(|folder| folder.join(program));
    let versions = clients.filter_map(|client| Some((major(&client)?, client)));
    // Of equals the first, as PATH has it.
    versions.rev().max_by_key(|(major, _)| *major).map(|(_, client)| client)
}

/// The major version that a program tells of itself.
fn major(program: &Path) -> Option<u32> {
    let output = Command::new(program).arg("--version").output().ok()?;
    parse_major(&String::from_utf8_lossy(&output.stdout))
}

fn debian_package(wanted: Option<u32>) -> String {
    wanted.map_or_else(|| "postgresql".to_owned(), |major| format!("postgresql-{major}"))
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian 15.18-1)`.
fn parse_major(text: &str) -> Option<u32> {
    let version = text.split(' ').find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn candidates() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    for pattern in [
        "/usr/lib/postgresql/*/bin",
        "/usr/pgsql-*/bin",
        "/opt/homebrew/opt/postgresql@*/bin",
        "/usr/local/opt/postgresql@*/bin",
        "/Applications/Postgres.app/Contents/Versions/*/bin",
    ] {
        let mut matches: Vec<PathBuf> = glob::glob(pattern).into_iter().flatten().flatten().collect();
        matches.sort_by_key(|folder| std::cmp::Reverse(version_in(folder)));
        folders.extend(matches);
    }
    folders
}

/// The last number in a folder's path, so that 9 comes after 17.
fn version_in(folder: &Path) -> u32 {
    let text = folder.to_string_lossy();
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .next_back()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A folder whose programs only say a version.
    fn fake_server(root: &Path, version: &str) -> PathBuf {
        fake_programs(root, version, &["initdb", "pg_ctl", "postgres"])
    }

    fn fake_programs(root: &Path, version: &str, programs: &[&str]) -> PathBuf {
        let folder = root.join(version).join("bin");
        std::fs::create_dir_all(&folder).unwrap();
        for program in programs {
            let path = folder.join(program);
            std::fs::write(&path, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder
    }

    #[test]
    fn versions_are_read_as_servers_print_them() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 18beta2\n"), Some(18));
        assert_eq!(parse_major("sh: not found"), None);
    }

    #[test]
    fn an_absent_or_old_server_is_said_with_what_to_install() {
        let root = tempfile::tempdir().unwrap();
        let none = Failure::from_anyhow(&Binaries::among(&[root.path().to_owned()], None).unwrap_err());
        assert!(
            none.message.contains("14") && none.hints.iter().any(|hint| hint.contains("apt-get")),
            "{none:?}"
        );
        let old = fake_server(root.path(), "13.2");
        let error = Failure::from_anyhow(&Binaries::among(std::slice::from_ref(&old), None).unwrap_err());
        assert!(error.message.contains("13"), "{error:?}");
        let new = fake_server(root.path(), "16.1");
        let newer = fake_server(root.path(), "17.0");
        let all = [old, new, newer];
        assert_eq!(Binaries::among(&all, None).unwrap().major(), 16, "the first that is new enough");
        assert_eq!(Binaries::among(&all, Some(17)).unwrap().major(), 17);
        let missing = Failure::from_anyhow(&Binaries::among(&all, Some(15)).unwrap_err());
        assert!(missing.hints.iter().any(|hint| hint.contains("postgresql-15")), "{missing:?}");
    }

    #[test]
    fn a_newer_client_serves_although_the_server_is_older() {
        let root = tempfile::tempdir().unwrap();
        let server = fake_programs(root.path(), "15.2", &["initdb", "pg_ctl", "postgres", "pg_dump"]);
        let clients = fake_programs(root.path(), "18.1", &["pg_dump"]);
        let folders = [server.clone(), clients.clone(), fake_programs(root.path(), "16.1", &["pg_dump"])];
        assert_eq!(newest_client(&folders, "pg_dump"), Some(clients.join("pg_dump")));
        assert_eq!(newest_client(&[server], "psql"), None);
    }

    #[test]
    fn newest_folders_come_first() {
        assert!(
            version_in(Path::new("/usr/lib/postgresql/17/bin"))
                > version_in(Path::new("/usr/lib/postgresql/9/bin"))
        );
    }
}
