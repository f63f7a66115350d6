//! A server of one test, which it may treat badly.

use std::path::PathBuf;
use std::process::Command;

use trasvase::pg::embedded::{self, Server, ServerOptions};

use crate::support;

pub(super) struct OwnServer {
    folder: PathBuf,
    pub(super) server: Server,
}

impl OwnServer {
    pub(super) fn start() -> Self {
        let folder = support::reachable_folder("trasvase-faults-");
        Self { server: Server::start(&ServerOptions::new(&folder)).unwrap(), folder }
    }

    /// Stops it as a power cut would: no checkpoint, every session cut off; then starts it again.
    pub(super) fn restart(&self) {
        self.control(&["stop", "-m", "immediate", "-w", "-s"]);
        self.control(&["start", "-w", "-s", "-l", "/dev/null"]);
    }

    fn control(&self, arguments: &[&str]) {
        let pg_ctl = self.server.binaries().path("pg_ctl");
        let mut command: Command = self.server.account().command(&pg_ctl);
        let done = command.arg("-D").arg(self.server.data_dir()).args(arguments).status().unwrap();
        assert!(done.success(), "pg_ctl {arguments:?}");
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _ = embedded::stop(&self.folder);
        if let Ok(home) = std::fs::read_to_string(self.folder.join("location")) {
            let _ = std::fs::remove_dir_all(home.trim());
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
