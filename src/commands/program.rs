//! A program, in the clinic's folder; what it prints goes into a file, since it may hold patients.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rust_i18n::t;

use super::Private;
use crate::error::{Failure, interrupt};
use crate::model::private;

/// How often is looked whether it has ended, or Ctrl-C was pressed.
const TICK: Duration = Duration::from_millis(50);

/// How long it has to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// What a program finds around it.
pub struct Surroundings {
    /// The clinic's folder.
    pub folder: PathBuf,
    /// `TRASVASE_…` and what it is.
    pub variables: Vec<(&'static str, String)>,
    /// Where its output goes, both streams.
    pub log: PathBuf,
    /// The same as people see it.
    pub log_shown: String,
}

/// Runs a program to its end, as a group of processes of its own.
///
/// # Errors
/// It cannot be started, ends with another code than 0 or by a signal; or a stop was asked for: then it was ended too.
pub fn run(words: &[String], surroundings: &Surroundings) -> Result<()> {
    let (program, arguments) = words.split_first().context("a program has a name")?;
    let log = private::append(&surroundings.log)
        .with_context(|| t!("staging.cannot_write", path = surroundings.log.display()))?;
    let mut command = Command::new(located(program, &surroundings.folder));
    command.args(arguments).current_dir(&surroundings.folder);
    command.envs(surroundings.variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    let started = {
        let _private = Private::begin();
        command.spawn()
    };
    let mut child = started.map_err(|error| {
        Failure::failed(t!("commands.not_started", program = program, cause = error.kind()))
            .hint(t!("commands.not_started_hint", program = program))
    })?;
    let status = wait(&mut child)?;
    interrupt::check()?;
    if status.success() { Ok(()) } else { Err(ended(status, &surroundings.log_shown).into()) }
}

/// A program by its path is one of the clinic's folder.
fn located(program: &str, folder: &Path) -> PathBuf {
    if program.contains('/') { folder.join(program) } else { PathBuf::from(program) }
}

fn wait(child: &mut Child) -> Result<ExitStatus> {
    let mut asked: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        match asked {
            None if interrupt::requested() => {
                end(child, Signal::SIGTERM);
                asked = Some(Instant::now());
            }
            Some(since) if since.elapsed() > GRACE => end(child, Signal::SIGKILL),
            _ => {}
        }
        std::thread::sleep(TICK);
    }
}

fn end(child: &Child, signal: Signal) {
    if let Ok(id) = i32::try_from(child.id()) {
        // It may have ended by now.
        let _ = killpg(Pid::from_raw(id), signal);
    }
}

fn ended(status: ExitStatus, log: &str) -> Failure {
    let text = match (status.code(), status.signal()) {
        (Some(code), _) => t!("commands.exit", code = code),
        (None, signal) => t!("commands.signal", signal = signal.unwrap_or_default()),
    };
    Failure::failed(text).hint(t!("commands.exit_hint", log = log))
}
