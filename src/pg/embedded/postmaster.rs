//! `postmaster.pid`: whether a server runs in a data folder, where it listens, and whether that file is stale.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// What a running server wrote into its `postmaster.pid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Postmaster {
    pub(super) process: i32,
    pub(super) socket: PathBuf,
    pub(super) port: u16,
    pub(super) ready: bool,
}

/// The server that runs in `data`, if there is one. A file that a dead server left is removed: process numbers are
/// used again, and PostgreSQL would take any process of that number for a server.
pub(super) fn running(data: &Path) -> Option<Postmaster> {
    let path = data.join("postmaster.pid");
    let text = fs::read_to_string(&path).ok()?;
    let process: i32 = text.lines().next()?.trim().parse().ok()?;
    if !is_server(process, data) {
        // Harmless if it fails: pg_ctl then says what is wrong.
        let _ = fs::remove_file(&path);
        return None;
    }
    Some(parse(process, &text))
}

/// Lines: process, data folder, start time, port, socket folder, listen address, shared memory, status.
fn parse(process: i32, text: &str) -> Postmaster {
    let line = |number: usize| text.lines().nth(number).unwrap_or_default().trim();
    let port = line(3).parse().unwrap_or(super::PORT);
    Postmaster { process, socket: PathBuf::from(line(4)), port, ready: line(7) == "ready" }
}

fn is_server(process: i32, data: &Path) -> bool {
    let alive = matches!(kill(Pid::from_raw(process), None), Ok(()) | Err(Errno::EPERM));
    alive && if cfg!(target_os = "linux") { works_in(process, data) } else { looks_like_postgres(process) }
}

/// A server's working folder is its data folder.
fn works_in(process: i32, data: &Path) -> bool {
    let folder = fs::read_link(format!("/proc/{process}/cwd"));
    folder.is_ok_and(|folder| data.canonicalize().is_ok_and(|data| folder == data))
}

fn looks_like_postgres(process: i32) -> bool {
    Command::new("ps")
        .args(["-o", "command=", "-p", &process.to_string()])
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("postgres"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_names_another_living_process_is_stale() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("postmaster.pid");
        fs::write(&path, format!("{}\n{}\n", std::process::id(), data.path().display())).unwrap();
        assert_eq!(running(data.path()), None);
        assert!(!path.exists(), "the stale file would keep a server from starting");
    }

    #[test]
    fn the_file_says_where_the_server_listens() {
        let text = "42\n/x/data\n1700000000\n5432\n/x/socket\n\n  1 2\nready   \n";
        let expected = Postmaster { process: 42, socket: "/x/socket".into(), port: 5432, ready: true };
        assert_eq!(parse(42, text), expected);
        assert!(!parse(42, "42\n/x/data\n").ready);
    }
}
