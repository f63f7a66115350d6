//! A private PostgreSQL from the machine's own binaries, started on demand and stopped by whoever leaves last.
//!
//! It listens on a Unix socket only, and the kernel says who is there (peer), so there is no password. Every process
//! that uses it holds a shared lock on `users`; starting and stopping happen under an exclusive lock on `lock`. The one
//! that can turn its shared lock into an exclusive one is the last, and stops the server, unless `keep` says that
//! `trasvase postgres start` wants it kept. A process that was killed frees its locks, so the next one finds its server,
//! uses it, and stops it in the end.

mod account;
mod binaries;
mod postmaster;
mod settings;
mod stand_in;

pub(super) use stand_in::given;
pub use stand_in::stand_in;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rust_i18n::t;

use super::parameters::escaped;
use crate::config::Project;
use crate::error::Failure;
use crate::model::ident::{literal, quoted};
use crate::model::private;

pub use account::{Account, without_pg_variables};
pub use binaries::{Binaries, OLDEST, client_major, client_program};

/// The superuser's role. Not `trasvase`: the ledger's schema has that name, and `"$user"` comes first in search_path.
pub const SUPERUSER: &str = "postgres";
/// The database of commands that are about no clinic; those of a clinic work in one named like its system.
pub const DATABASE: &str = "trasvase";

/// The longest path that a Unix socket may have, with the name PostgreSQL adds.
const SOCKET_PATH_LIMIT: usize = 103;
const SOCKET_NAME: &str = ".s.PGSQL.65535";
/// The port that names the socket where no other was chosen.
const PORT: u16 = 5432;
const PATIENCE: Duration = Duration::from_secs(60);

/// How a private server is run.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// `staging/.postgres`: locks, and the data where the server's user can reach them.
    pub folder: PathBuf,
    /// Survives a crash of the machine; off for servers that live as long as a test run.
    pub durable: bool,
    /// The server stays when the last process leaves, until [`stop`].
    pub keep_running: bool,
    /// Also listens on this loopback port, for programs that cannot use a socket; roles need a password there.
    pub loopback: Option<u16>,
    /// More settings, as in `postgresql.conf`.
    pub settings: Vec<(String, String)>,
}

impl ServerOptions {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            durable: true,
            keep_running: false,
            loopback: None,
            settings: Vec::new(),
        }
    }

    pub fn for_project(project: &Project) -> Self {
        Self::new(project.postgres_dir())
    }
}

/// Whether a folder's server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It was never started: there are no data.
    Absent,
    Stopped,
    Running {
        process: i32,
        kept: bool,
    },
}

/// A running private server, kept running while this value lives.
#[derive(Debug)]
pub struct Server {
    place: Place,
    binaries: Binaries,
    socket: PathBuf,
    port: u16,
    /// Shared while we use the server; `None` once given back.
    users: Option<File>,
}

/// Where things are, and as whom.
#[derive(Debug, Clone)]
struct Place {
    folder: PathBuf,
    home: PathBuf,
    data: PathBuf,
    account: Account,
}

impl Server {
    /// Finds the folder's server running, or starts it, making its data first where there are none.
    ///
    /// # Errors
    /// No usable PostgreSQL on this machine, data of another major version, a folder that cannot be written, or a
    /// server that does not come up (with what its log says).
    pub fn start(options: &ServerOptions) -> Result<Self> {
        let place = Place::prepare(&options.folder)?;
        let _turn = place.turn()?;
        let users = place.open("users")?;
        users.lock_shared()?;
        let binaries = Binaries::find(place.data_major()?)?;
        if options.keep_running {
            place.open("keep")?;
        }
        let (socket, port) = match place.settled(&binaries)? {
            Some(server) => (server.socket, server.port),
            None => (place.launch(&binaries, options)?, options.loopback.unwrap_or(PORT)),
        };
        Ok(Self { place, binaries, socket, port, users: Some(users) })
    }

    /// The folder's server if it runs; never starts one.
    pub fn attach(folder: &Path) -> Result<Option<Self>> {
        match status(folder)? {
            Status::Running { .. } => Self::start(&ServerOptions::new(folder)).map(Some),
            Status::Absent | Status::Stopped => Ok(None),
        }
    }

    /// The connection string of the project's database.
    pub fn url(&self) -> String {
        self.url_for(DATABASE)
    }

    /// The connection string of a database. It holds no password: the socket knows who asks.
    pub fn url_for(&self, database: &str) -> String {
        let socket = escaped(&self.socket.to_string_lossy());
        let port = if self.port == PORT { String::new() } else { format!("&port={}", self.port) };
        format!("postgresql://{SUPERUSER}@/{}?host={socket}{port}", escaped(database))
    }

    /// Makes a database unless it is there.
    ///
    /// # Errors
    /// psql cannot be run, or the server refuses.
    pub fn ensure_database(&self, database: &str) -> Result<()> {
        let ask = |sql: String| {
            let mut command = self.psql("postgres");
            said("psql", command.args(["-Atqc", &sql]).output())
        };
        let is_there = format!("select 1 from pg_database where datname = {}", literal(database));
        if !ask(is_there.clone())?.trim().is_empty() {
            return Ok(());
        }
        let made = ask(format!("create database {}", quoted(database)));
        // Another process may have made it meanwhile.
        match made {
            Err(error) if ask(is_there)?.trim().is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    /// `psql` on a database, without its start-up file.
    pub fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(self.binaries.client("psql"));
        without_pg_variables(&mut command);
        command.arg("--no-psqlrc").arg(self.url_for(database));
        command
    }

    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// PostgreSQL's data folder.
    pub fn data_dir(&self) -> &Path {
        &self.place.data
    }

    /// The folder of its Unix socket.
    pub fn socket_dir(&self) -> &Path {
        &self.socket
    }

    /// The operating-system user as whom it runs.
    pub fn account(&self) -> &Account {
        &self.place.account
    }

    /// Gives the server back: it stops unless others use it or it is to be kept. Dropping does the same in silence.
    pub fn release(mut self) -> Result<()> {
        self.leave()
    }

    fn leave(&mut self) -> Result<()> {
        let Some(users) = self.users.take() else { return Ok(()) };
        let _turn = self.place.turn()?;
        users.unlock()?;
        let last = users.try_lock().is_ok();
        if last && !self.place.folder.join("keep").exists() {
            self.place.halt(&self.binaries)?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.leave() {
            tracing::warn!(%error, "the private PostgreSQL was not stopped");
        }
    }
}

/// Whether the folder's server runs; changes nothing but a stale `postmaster.pid`.
pub fn status(folder: &Path) -> Result<Status> {
    let place = Place::locate(folder)?;
    if !place.data.is_dir() {
        return Ok(Status::Absent);
    }
    Ok(match postmaster::running(&place.data) {
        Some(server) => Status::Running { process: server.process, kept: folder.join("keep").exists() },
        None => Status::Stopped,
    })
}

/// Stops the folder's server, whoever uses it, and forgets that it was to be kept. False where none runs.
pub fn stop(folder: &Path) -> Result<bool> {
    if !folder.is_dir() {
        return Ok(false);
    }
    let place = Place::prepare(folder)?;
    let _turn = place.turn()?;
    let _ = fs::remove_file(folder.join("keep"));
    if postmaster::running(&place.data).is_none() {
        return Ok(false);
    }
    place.halt(&Binaries::find(place.data_major()?)?)?;
    Ok(true)
}

/// Whether it replays its log after a crash of its own: `postmaster.pid` says `ready` all the while.
fn recovers(binaries: &Binaries, server: &postmaster::Postmaster) -> bool {
    const REJECTS: i32 = 1;
    let mut asks = Command::new(binaries.client("pg_isready"));
    without_pg_variables(&mut asks);
    asks.arg("--quiet").arg("--host").arg(&server.socket).args(["--port", &server.port.to_string()]);
    asks.status().is_ok_and(|status| status.code() == Some(REJECTS))
}

impl Place {
    fn locate(folder: &Path) -> Result<Self> {
        let account = Account::choose()?;
        // Absolute, since the server runs in another working folder and the hash of a relative path says nothing.
        let folder = std::path::absolute(folder)?;
        let folder = folder.canonicalize().unwrap_or(folder);
        let home = account.home(&folder);
        Ok(Self { data: home.join("data"), folder, home, account })
    }

    /// Locates, and makes the folders.
    fn prepare(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| t!("pg.cannot_write", path = folder.display()))?;
        let place = Self::locate(folder)?;
        if place.home != place.folder {
            private::folder(folder).with_context(|| t!("pg.cannot_write", path = folder.display()))?;
            account::open_path_to(&place.home)?;
            fs::write(place.folder.join("location"), format!("{}\n", place.home.display()))
                .with_context(|| t!("pg.cannot_write", path = place.folder.display()))?;
        }
        place.account.private_folder(&place.home)?;
        Ok(place)
    }

    fn open(&self, name: &str) -> Result<File> {
        let path = self.folder.join(name);
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(private::MODE)
            .open(&path)
            .with_context(|| t!("pg.cannot_write", path = path.display()))
    }

    /// One process at a time starts or stops.
    fn turn(&self) -> Result<File> {
        let file = self.open("lock")?;
        file.lock().with_context(|| t!("pg.cannot_write", path = self.folder.display()))?;
        Ok(file)
    }

    /// The major version of the data, if there are any.
    fn data_major(&self) -> Result<Option<u32>> {
        let path = self.data.join("PG_VERSION");
        if !path.is_file() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| t!("pg.cannot_read", path = path.display()))?;
        Ok(text.trim().parse().ok())
    }

    /// The running server, once it has come up or gone down if it was in between.
    fn settled(&self, binaries: &Binaries) -> Result<Option<postmaster::Postmaster>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match postmaster::running(&self.data) {
                Some(server) if !server.ready || recovers(binaries, &server) => {}
                settled => return Ok(settled),
            }
            if Instant::now() > deadline {
                return Err(Failure::failed(t!("pg.stuck", path = self.data.display())).into());
            }
            sleep(Duration::from_millis(50));
        }
    }

    fn launch(&self, binaries: &Binaries, options: &ServerOptions) -> Result<PathBuf> {
        if !self.data.is_dir() {
            self.initialize(binaries, options)?;
        }
        let socket = self.socket_folder()?;
        settings::write(&self.data, &socket, &self.account, options)?;
        let log = self.home.join("log");
        self.account.private_file(&log, "")?;
        self.come_up(binaries, &log)?;
        Ok(socket)
    }

    fn come_up(&self, binaries: &Binaries, log: &Path) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut start = self.control(binaries);
            start.arg("--log").arg(log).arg("start");
            let output = start.output().with_context(|| t!("pg.cannot_run", program = "pg_ctl"))?;
            if output.status.success() {
                return Ok(());
            }
            let said = fs::read_to_string(log).unwrap_or_default();
            // The children of a server that was killed take a moment to see that they are orphans.
            if !said.contains("still in use") || Instant::now() > deadline {
                return Err(Failure::failed(t!("pg.not_started", said = last_lines(&said)))
                    .hint(t!("pg.see_log", path = log.display()))
                    .into());
            }
            self.account.private_file(log, "")?;
            sleep(Duration::from_millis(200));
        }
    }

    /// Makes the data beside, then renames: a broken-off `initdb` leaves nothing that looks like data.
    fn initialize(&self, binaries: &Binaries, options: &ServerOptions) -> Result<()> {
        let partial = self.home.join("data.partial");
        if partial.exists() {
            fs::remove_dir_all(&partial).with_context(|| t!("pg.cannot_write", path = partial.display()))?;
        }
        let mut initdb = self.account.command(&binaries.path("initdb"));
        initdb.args(["--encoding=UTF8", "--locale=C", "--auth-local=peer", "--auth-host=scram-sha-256"]);
        initdb.arg(format!("--username={SUPERUSER}")).arg("--pgdata").arg(&partial);
        if !options.durable {
            initdb.arg("--no-sync");
        }
        ran("initdb", initdb.output())?;
        let mut single = self.account.command(&binaries.path("postgres"));
        single.args(["--single", "-D"]).arg(&partial).arg("template1");
        ran("postgres", with_input(&mut single, &format!("create database {DATABASE}\n")))?;
        fs::rename(&partial, &self.data).with_context(|| t!("pg.cannot_write", path = self.data.display()))
    }

    /// `<home>/socket`, or a folder in `/tmp` where that path would be too long for a socket.
    fn socket_folder(&self) -> Result<PathBuf> {
        let near = self.home.join("socket");
        let fits = near.join(SOCKET_NAME).as_os_str().len() <= SOCKET_PATH_LIMIT;
        let socket = if fits {
            near
        } else {
            // A new random name each time: in /tmp, a name that others can foresee could be theirs already.
            tempfile::Builder::new().prefix("trasvase-").tempdir_in("/tmp")?.keep()
        };
        self.account.private_folder(&socket)?;
        clear(&socket)?;
        Ok(socket)
    }

    fn halt(&self, binaries: &Binaries) -> Result<()> {
        let Some(server) = postmaster::running(&self.data) else { return Ok(()) };
        let mut stop = self.control(binaries);
        stop.args(["--mode=fast", "stop"]);
        ran("pg_ctl", stop.output())?;
        if !server.socket.starts_with(&self.home) && server.socket.starts_with("/tmp") {
            let _ = fs::remove_dir(&server.socket);
        }
        Ok(())
    }

    fn control(&self, binaries: &Binaries) -> Command {
        let mut command = self.account.command(&binaries.path("pg_ctl"));
        command.arg("--pgdata").arg(&self.data).args(["--wait", "--timeout=60", "--silent"]);
        command
    }
}

/// Removes the socket and its lock that a killed server left: nobody else uses this folder, and PostgreSQL would take
/// any process of the number in that lock, also a dead one that nobody has waited for, for its owner.
fn clear(socket: &Path) -> Result<()> {
    let cannot = || t!("pg.cannot_write", path = socket.display());
    for entry in fs::read_dir(socket).with_context(cannot)? {
        fs::remove_file(entry.with_context(cannot)?.path()).with_context(cannot)?;
    }
    Ok(())
}

fn ran(program: &str, output: std::io::Result<Output>) -> Result<()> {
    said(program, output).map(drop)
}

/// What a program printed that went well.
fn said(program: &str, output: std::io::Result<Output>) -> Result<String> {
    let output = output.with_context(|| t!("pg.cannot_run", program = program))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::failed(t!("pg.program_failed", program = program, said = last_lines(&said))).into())
}

fn with_input(command: &mut Command, text: &str) -> std::io::Result<Output> {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes())?;
    }
    child.wait_with_output()
}

/// What a server's program said last, on one line.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}
