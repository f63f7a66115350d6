//! A connection, set up the same way every time, whose errors are sentences.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use rust_i18n::t;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{CancelToken, Client, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Target;
use super::embedded::OLDEST;
use super::parameters::Parameters;
use super::read_only::ReadOnly;
use super::tls;
use crate::error::{self, Cause, Failure};

/// What every session has, so that values have one text form, hidden rows are an error, and nobody waits for a lock for
/// ever. `search_path` is the server's.
const SETUP: &str = "\
set row_security = off; set client_encoding = 'UTF8'; set timezone = 'UTC'; set datestyle = 'ISO, YMD'; \
set intervalstyle = 'postgres'; set extra_float_digits = 1; set bytea_output = 'hex'; \
set standard_conforming_strings = on; set client_min_messages = warning; set statement_timeout = 0; \
set lock_timeout = '10s'; \
set idle_in_transaction_session_timeout = 0";

/// What a session that only asks an old system has: it writes nothing, waits for no lock for long, and keeps nobody from
/// cleaning up for ever. One by one, because an old server does not know all of them.
const ASKING: [&str; 14] = [
    "set client_encoding = 'UTF8'",
    "set timezone = 'UTC'",
    "set datestyle = 'ISO, YMD'",
    "set intervalstyle = 'postgres'",
    "set bytea_output = 'hex'",
    "set standard_conforming_strings = on",
    "set client_min_messages = warning",
    "set default_transaction_read_only = on",
    "set synchronize_seqscans = off",
    "set row_security = off",
    "set idle_in_transaction_session_timeout = '2h'",
    // From 12 on 1 is the shortest exact text; before, 3 is the only exact one.
    "select set_config('extra_float_digits', case when current_setting('server_version_num')::int4 < 120000 \
     then '3' else '1' end, false)",
    // Who set a limit of their own, in the connection string or for the role, knows why.
    "select set_config('lock_timeout', '10s', false) where current_setting('lock_timeout') = '0'",
    "select set_config('statement_timeout', '2h', false) where current_setting('statement_timeout') = '0'",
];

/// The oldest server that can be a source, as `server_version_num`.
const OLDEST_SOURCE: (u32, u32) = (9, 2);

const FACTS: &str = "\
select current_setting('server_version_num')::int4, current_database()::text, current_user::text, pg_is_in_recovery(), \
current_setting('default_transaction_read_only')::bool, \
(select source from pg_settings where name = 'default_transaction_read_only'), pg_backend_pid(), \
current_setting('server_encoding')";

/// What a session is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Read,
    /// A standby or a read-only server is refused at once.
    Write,
    /// A source is asked: it may be old, and nothing is written.
    Ask,
}

/// An open connection.
pub struct Session {
    pub client: Client,
    /// `server_version_num`, as 150018.
    pub server_version: u32,
    pub database: String,
    pub user: String,
    /// Why nothing may be written, if so.
    pub read_only: Option<ReadOnly>,
    /// `host:port`, or the socket's folder.
    pub address: String,
    /// The server's process for it.
    pub(super) backend: i32,
    /// How long the connection may be silent though the server has nothing to do.
    pub(super) patience: Duration,
    tls: MakeRustlsConnect,
    connection: JoinHandle<()>,
    target: Target,
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Session({}@{}/{})", self.user, self.address, self.database)
    }
}

impl Session {
    /// Connects and sets the session up.
    ///
    /// # Errors
    /// Whatever keeps us from connecting, with address, database and user but never the password, and what to look
    /// at; a server older than 14; a read-only one where writing is wanted.
    pub async fn open(target: &Target, purpose: Purpose) -> Result<Self> {
        let parameters = Parameters::parse(&target.url, &target.origin)?;
        // The driver's own timeout is that of TCP: whatever accepts it and then keeps silent would be waited for.
        match timeout(parameters.patience, Self::connect(&parameters, target, purpose)).await {
            Ok(session) => session,
            Err(_) => Err(silent(&parameters, target).into()),
        }
    }

    async fn connect(parameters: &Parameters, target: &Target, purpose: Purpose) -> Result<Self> {
        let tls = tls::connector(parameters)?;
        let (client, connection) = parameters
            .config
            .connect(tls.clone())
            .await
            .map_err(|error| explained(&error, parameters, target))?;
        let version = connection.parameter("server_version").unwrap_or_default();
        refuse_old(version, parameters, purpose)?;
        let connection = tokio::spawn(async move {
            // The client's next call fails as closed; what the driver says here may quote data, so it is not logged.
            let _ = connection.await;
        });
        let set_up = match purpose {
            Purpose::Ask => set_up_asking(&client).await,
            Purpose::Read | Purpose::Write => client.batch_execute(SETUP).await,
        };
        set_up.map_err(|error| explained(&error, parameters, target))?;
        let facts =
            client.query_one(FACTS, &[]).await.map_err(|error| explained(&error, parameters, target))?;
        let session = Self {
            client,
            server_version: u32::try_from(facts.get::<_, i32>(0))?,
            database: facts.get(1),
            user: facts.get(2),
            read_only: ReadOnly::of(facts.get(3), facts.get(4), facts.get(5)),
            address: parameters.address(),
            backend: facts.get(6),
            patience: parameters.patience,
            tls,
            connection,
            target: target.clone(),
        };
        session.require(purpose, target)?;
        session.require_utf8(purpose, facts.get(7))?;
        Ok(session)
    }

    /// Turns a driver's error into ours: a lost connection is said to be one, and no cell value is shown.
    pub fn error(&self, error: &Error) -> anyhow::Error {
        if error.is_closed() || self.client.is_closed() {
            return Failure::failed(t!("pg.lost", address = self.address, database = self.database))
                .hint(t!("pg.lost_hint"))
                .may_pass(error::passing(error).unwrap_or_else(|| "closed".to_owned()))
                .cause(Cause::Connection)
                .into();
        }
        error::postgres(error)
    }

    /// Sets the session up again, after something may have changed its settings.
    pub(super) async fn set_up(&self) -> Result<()> {
        let sql = format!("reset all; {SETUP}");
        self.client.batch_execute(&sql).await.map_err(|error| self.error(&error))
    }

    /// Asks the server to give up what this session is doing.
    pub async fn cancel(&self) {
        self.canceller().cancel().await;
    }

    /// What can end this session's statement while the session itself is in use.
    pub fn canceller(&self) -> Canceller {
        Canceller { token: self.client.cancel_token(), tls: self.tls.clone() }
    }

    /// Where its connection string comes from: a variable's name.
    pub fn origin(&self) -> &str {
        &self.target.origin
    }

    /// Where it was opened.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Closes the connection at once, without a word to the server; whatever waits for it fails.
    pub(super) fn abort(&self) {
        self.connection.abort();
    }

    /// Says good-bye and waits until the server has closed.
    pub async fn close(self) {
        drop(self.client);
        let _ = self.connection.await;
    }

    /// A target in another encoding cannot hold every name, nor be asked for each; and what its parallel workers digest is in
    /// that encoding, whatever the session's is (`assign_client_encoding` in PostgreSQL's variable.c).
    fn require_utf8(&self, purpose: Purpose, encoding: &str) -> Result<()> {
        if purpose == Purpose::Ask || encoding == "UTF8" {
            return Ok(());
        }
        let (address, database) = (&self.address, &self.database);
        Err(Failure::failed(t!("pg.not_utf8", address = address, database = database, encoding = encoding))
            .hint(t!("pg.not_utf8_hint", database = database))
            .into())
    }

    fn require(&self, purpose: Purpose, target: &Target) -> Result<()> {
        match self.read_only {
            Some(why) if purpose == Purpose::Write => Err(Failure::failed(t!(
                "pg.read_only",
                address = self.address,
                database = self.database,
                cause = why.cause()
            ))
            .hint(why.remedy(&self.database, &self.user, &target.origin))
            .into()),
            _ => Ok(()),
        }
    }
}

/// Runs one or more statements; a failure shows no cell value.
pub async fn execute(client: &Client, sql: &str) -> Result<()> {
    client.batch_execute(sql).await.map_err(|error| error::postgres(&error))
}

/// Ends the statement that a session is at.
pub struct Canceller {
    token: CancelToken,
    tls: MakeRustlsConnect,
}

impl Canceller {
    pub async fn cancel(&self) {
        // Best effort: the statement may be over by now.
        let _ = self.token.cancel_query(self.tls.clone()).await;
    }
}

/// Settings that the server does not know are left.
async fn set_up_asking(client: &Client) -> Result<(), Error> {
    for setting in ASKING {
        match client.batch_execute(setting).await {
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_OBJECT) => {}
            other => other?,
        }
    }
    Ok(())
}

/// `server_version` reads `15.18 (Debian 15.18-1)`, `18beta1` or `9.6.24`.
fn refuse_old(version: &str, parameters: &Parameters, purpose: Purpose) -> Result<()> {
    let mut numbers = version.split(|character: char| !character.is_ascii_digit());
    let mut number = || numbers.next().and_then(|digits| digits.parse::<u32>().ok());
    // Poolers may not say; what they hide is then refused by the first thing it cannot do.
    let Some(major) = number() else { return Ok(()) };
    let (too_old, oldest) = match purpose {
        Purpose::Ask => {
            let (oldest, minor) = OLDEST_SOURCE;
            ((major, number().unwrap_or(0)) < OLDEST_SOURCE, format!("{oldest}.{minor}"))
        }
        Purpose::Read | Purpose::Write => (major < OLDEST, OLDEST.to_string()),
    };
    if too_old {
        let address = parameters.address();
        return Err(Failure::failed(t!(
            "pg.target_too_old",
            address = address,
            version = version,
            oldest = oldest
        ))
        .into());
    }
    Ok(())
}

/// The sentence for a connection that did not come about.
fn explained(error: &Error, parameters: &Parameters, target: &Target) -> Failure {
    let cause = parameters.password().scrub(&error::postgres(error).to_string());
    let failure = Failure::failed(t!(
        "pg.cannot_connect",
        address = parameters.address(),
        database = parameters.database(),
        user = parameters.user(),
        cause = cause
    ));
    let failure = Failure { passing: error::passing(error), ..failure }.cause(Cause::Connection);
    if let Some(hint) = hint(error, &cause, target) {
        return failure.hint(hint);
    }
    let hints = Failure::from_anyhow(&error::postgres(error)).hints;
    match hints.is_empty() {
        true => failure.hint(t!("pg.hint_refused", origin = target.origin)),
        false => Failure { hints, ..failure },
    }
}

/// The failure of a server, or of something before it, that takes a connection and says nothing.
fn silent(parameters: &Parameters, target: &Target) -> Failure {
    Failure::failed(t!(
        "pg.cannot_connect",
        address = parameters.address(),
        database = parameters.database(),
        user = parameters.user(),
        cause = t!("pg.silent", seconds = parameters.patience.as_secs())
    ))
    .hint(t!("pg.hint_running", origin = target.origin))
    .may_pass("timeout")
    .cause(Cause::Connection)
}

fn hint(error: &Error, cause: &str, target: &Target) -> Option<String> {
    let origin = &target.origin;
    if let Some(state) = error.code() {
        return match state.clone() {
            SqlState::INVALID_PASSWORD => Some(t!("pg.hint_password", origin = origin).into_owned()),
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                Some(t!("pg.hint_hba", origin = origin).into_owned())
            }
            SqlState::INVALID_CATALOG_NAME => Some(t!("pg.hint_database", origin = origin).into_owned()),
            SqlState::TOO_MANY_CONNECTIONS | SqlState::CANNOT_CONNECT_NOW => {
                Some(t!("pg.hint_later").into_owned())
            }
            _ => None,
        };
    }
    let key = match cause {
        text if text.contains("does not support TLS") => "pg.hint_no_tls",
        text if text.contains("NotValidForName") || text.contains("not valid for") => "pg.hint_name",
        text if text.contains("certificate") || text.contains("UnknownIssuer") => "pg.hint_certificate",
        text if text.contains("password missing") || text.contains("SASL") => "pg.hint_password",
        _ => "pg.hint_running",
    };
    Some(t!(key, origin = origin).into_owned())
}
