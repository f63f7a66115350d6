//! The staging file: one DuckDB database a clinic, its lock, its limits, and the functions that models may call.

mod archives;
mod documents;
mod functions;
mod intake;
mod lineage;
mod local_time;
mod lock;
pub mod numbers;
mod own_steps;
mod runs;
mod sound;
mod stages;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use duckdb::arrow::record_batch::RecordBatch;
use duckdb::{AccessMode, Config, Connection};
use rust_i18n::t;

use crate::config::{Clinic, Project};
use crate::error::{self, Failure, interrupt};
use crate::model::ident::literal;
use crate::model::private;

pub use archives::Archived;
pub use functions::REVISION as FUNCTIONS_REVISION;
pub use intake::Batches;
pub use lock::Lock;
pub use own_steps::OwnStepRow;
pub use runs::{StageRun, Verified};
pub use stages::{Ended, StageRow};

/// How a staging file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing is written, not even a lock.
    ReadOnly,
    /// Takes the clinic's lock, makes the file and its schemas where missing.
    Write,
}

/// What DuckDB may use.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// As `512MB`; DuckDB's own default (80% of memory) where not given.
    pub memory: Option<String>,
    pub threads: Option<usize>,
}

/// An open staging file.
pub struct Staging {
    connection: Connection,
    incoming: intake::Gate,
    path: PathBuf,
    _lock: Option<Lock>,
}

impl Staging {
    /// Opens the clinic's staging file and registers the functions that models may call.
    ///
    /// # Errors
    /// No file yet (read-only), a lock held by another process (it is named), a file that is no DuckDB database or is
    /// open in another program.
    pub fn open(project: &Project, clinic: &Clinic, access: Access, limits: &Limits) -> Result<Self> {
        let path = project.duckdb_path(&clinic.name);
        let folder = project.staging_dir(&clinic.name);
        let lock = match access {
            Access::ReadOnly if path.is_file() => None,
            Access::ReadOnly => {
                return Err(Failure::failed(t!("staging.missing", clinic = clinic.name))
                    .hint(t!("staging.missing_hint", clinic = clinic.name))
                    .into());
            }
            Access::Write => {
                private_folder(&folder)?;
                Some(Lock::take(&folder, &clinic.name)?)
            }
        };
        let connection = connect(&path, access, limits, &folder)?;
        use_utc(&connection)?;
        let handle = connection.interrupt_handle();
        interrupt::on_request(move || handle.interrupt());
        let incoming = intake::Gate::register(&connection)?;
        let staging = Self { connection, incoming, path, _lock: lock };
        if access == Access::Write {
            private_file(&staging.path)?;
            staging.execute(include_str!("schema.sql"))?;
            staging.describe_clinic(clinic)?;
        }
        functions::register(&staging.connection, clinic)?;
        Ok(staging)
    }

    /// Opens an empty staging database in memory, described like the clinic's file: models are parsed and bound in it
    /// before anything is written. It cannot touch files.
    ///
    /// # Errors
    /// DuckDB does not start.
    pub fn in_memory(clinic: &Clinic) -> Result<Self> {
        let config = Config::default()
            .with("threads", "1")
            .and_then(|config| config.enable_external_access(false))
            .and_then(|config| config.with("autoinstall_known_extensions", "false"))
            .map_err(error::duckdb)?;
        let connection = Connection::open_in_memory_with_flags(config).map_err(error::duckdb)?;
        use_utc(&connection)?;
        let incoming = intake::Gate::register(&connection)?;
        let staging = Self { connection, incoming, path: PathBuf::from(":memory:"), _lock: None };
        staging.execute(include_str!("schema.sql"))?;
        staging.describe_clinic(clinic)?;
        functions::register(&staging.connection, clinic)?;
        Ok(staging)
    }

    /// Another session of the same file, whose settings and temporary tables are its own. This one keeps the lock.
    ///
    /// # Errors
    /// DuckDB opens none.
    pub fn apart(&self) -> Result<Self> {
        let connection = self.connection.try_clone().map_err(error::duckdb)?;
        let handle = connection.interrupt_handle();
        interrupt::on_request(move || handle.interrupt());
        Ok(Self { connection, incoming: self.incoming.clone(), path: self.path.clone(), _lock: None })
    }

    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Stops the statement that runs now, from any thread (Ctrl-C).
    pub fn interrupt_handle(&self) -> std::sync::Arc<duckdb::InterruptHandle> {
        self.connection.interrupt_handle()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs one or more statements.
    pub fn execute(&self, sql: &str) -> Result<()> {
        timed(sql, || self.connection.execute_batch(sql).map_err(error::duckdb))
    }

    /// The single value of a query that returns one row and one column.
    pub fn value<T: duckdb::types::FromSql>(&self, sql: &str) -> Result<T> {
        timed(sql, || self.connection.query_row(sql, [], |row| row.get(0)).map_err(error::duckdb))
    }

    /// All rows of a query, each turned by `read`.
    pub fn rows<T>(
        &self,
        sql: &str,
        read: impl FnMut(&duckdb::Row<'_>) -> duckdb::Result<T>,
    ) -> Result<Vec<T>> {
        timed(sql, || {
            let mut statement = self.connection.prepare(sql).map_err(error::duckdb)?;
            let rows = statement.query_map([], read).map_err(error::duckdb)?;
            rows.collect::<duckdb::Result<Vec<T>>>().map_err(error::duckdb)
        })
    }

    /// The rows of a query, column by column, a batch of them at a time.
    pub fn batches(&self, sql: &str, mut read: impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
        timed(sql, || {
            let mut statement = self.connection.prepare(sql).map_err(error::duckdb)?;
            let mut batches = statement.query_arrow([]).map_err(error::duckdb)?;
            batches.try_for_each(|batch| read(&batch))
        })
    }

    /// How many threads DuckDB works with.
    pub fn threads(&self) -> Result<usize> {
        Ok(usize::try_from(self.value::<i64>("select current_setting('threads')")?)?)
    }

    /// Runs `work` in a transaction: committed if it succeeds, rolled back if not.
    pub fn transaction<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.execute("begin transaction")?;
        match work() {
            Ok(value) => {
                self.execute("commit")?;
                Ok(value)
            }
            Err(error) => {
                // The first error is the one worth telling; DuckDB rolls back by itself when the connection goes.
                let _ = self.execute("rollback");
                Err(error)
            }
        }
    }

    /// Whether a table or view of this schema and name exists.
    pub fn has_table(&self, schema: &str, name: &str) -> Result<bool> {
        self.value(&format!(
            "select count(*) > 0 from information_schema.tables where table_schema = {} and table_name = {}",
            literal(schema),
            literal(name)
        ))
    }

    /// Fills `meta.clinic`, `meta.site` and `meta.variable` from clinic.toml.
    fn describe_clinic(&self, clinic: &Clinic) -> Result<()> {
        self.transaction(|| {
            self.execute("delete from meta.clinic; delete from meta.site; delete from meta.variable;")?;
            let run = |sql: &str, params: &[&dyn duckdb::ToSql]| {
                self.connection.execute(sql, params).map(drop).map_err(error::duckdb)
            };
            run(
                "insert into meta.clinic values (?, ?, ?::timestamptz, ?, ?, ?, ?, ?, ?)",
                &[
                    &clinic.name.as_str(),
                    &clinic.uid,
                    &clinic.epoch,
                    &clinic.product,
                    &clinic.system,
                    &clinic.timezone,
                    &clinic.country,
                    &clinic.currency,
                    &clinic.locale,
                ],
            )?;
            for (position, site) in (1i32..).zip(&clinic.sites) {
                let timezone = site.timezone.as_ref().unwrap_or(&clinic.timezone);
                run(
                    "insert into meta.site values (?, ?, ?, ?)",
                    &[&site.key, &site.name, timezone, &position],
                )?;
            }
            for (name, value) in &clinic.variables {
                run("insert into meta.variable values (?, ?)", &[name, value])?;
            }
            Ok(())
        })
    }
}

/// Logs how long a statement took (`--log-level debug`): it names tables and columns, and holds no cell value.
fn timed<T>(sql: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let begun = std::time::Instant::now();
    let result = work();
    tracing::debug!(milliseconds = begun.elapsed().as_millis(), sql, "duckdb");
    result
}

fn connect(path: &Path, access: Access, limits: &Limits, folder: &Path) -> Result<Connection> {
    let mode = if access == Access::ReadOnly { AccessMode::ReadOnly } else { AccessMode::ReadWrite };
    let mut config = Config::default()
        .access_mode(mode)
        .and_then(|config| config.with("temp_directory", folder.join("spill").to_string_lossy()))
        .and_then(|config| config.with("autoinstall_known_extensions", "false"))
        // Every table is written whole and read once or twice: choosing a compression costs more than the bytes it saves.
        .and_then(|config| config.with("force_compression", "uncompressed"))
        // Rows are written while the next ones come, not five row groups at a time and the last of them at COMMIT.
        .and_then(|config| config.with("write_buffer_row_group_count", "1"))
        .map_err(error::duckdb)?;
    if let Some(memory) = &limits.memory {
        config = config.max_memory(memory).map_err(error::duckdb)?;
    }
    if let Some(threads) = limits.threads {
        config = config.threads(i64::try_from(threads)?).map_err(error::duckdb)?;
    }
    Connection::open_with_flags(path, config).map_err(|error| unopened(path, folder, error).into())
}

/// Why DuckDB did not open the file, and what to do: another program has it, it is damaged, or it cannot be reached.
fn unopened(path: &Path, folder: &Path, error: duckdb::Error) -> Failure {
    let (shown, text) = (path.display(), error.to_string());
    if text.contains("Could not set lock on file") {
        let process = holder(&text).or_else(|| Lock::holder(folder)).unwrap_or_else(|| "?".to_owned());
        return Failure::failed(t!("staging.locked", path = shown, process = process))
            .hint(t!("staging.locked_hint", process = process));
    }
    let damaged = [
        "not a valid DuckDB database",
        "Could not read enough bytes",
        "orrupt",
        "checksum",
        "erializ",
        "INTERNAL Error",
    ];
    let message = if damaged.iter().any(|sign| text.contains(sign)) {
        t!("staging.corrupt", path = shown)
    } else {
        t!("staging.cannot_open", path = shown, error = error::duckdb(error))
    };
    Failure::failed(message).hint(t!("staging.open_hint", path = shown))
}

/// The process in DuckDB's `Conflicting lock is held in /usr/bin/duckdb (PID 4711)`.
fn holder(text: &str) -> Option<String> {
    let digits: String = text.split_once("(PID ")?.1.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then_some(digits)
}

/// Makes instants print in UTC; the setting belongs to ICU, which is there only once the database is open.
fn use_utc(connection: &Connection) -> Result<()> {
    connection.execute_batch("set global TimeZone = 'UTC'").map_err(error::duckdb)
}

/// Makes a folder that only its owner can enter, with the folders above it that are missing.
pub fn private_folder(path: &Path) -> Result<()> {
    private::folder(path).with_context(|| t!("staging.cannot_write", path = path.display()))
}

/// Makes a file readable by its owner only.
pub fn private_file(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .with_context(|| t!("staging.cannot_write", path = path.display()))
}
