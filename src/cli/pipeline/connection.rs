//! The target's connection during a run, and its catalog.

use std::future::Future;
use std::time::Duration;

use anyhow::Result;
use rust_i18n::t;
use tokio::runtime::Runtime;

use crate::codec::LiveOids;
use crate::config::{Clinic, Project};
use crate::error::interrupt;
use crate::model::catalog::Catalog;
use crate::model::ident::{TableName, literal};
use crate::model::run::{Event, Observer, Stage};
use crate::pg::{Canceller, Purpose, Session, Target, catalog, schema, watched};

/// How often work on the network looks whether Ctrl-C was pressed.
const TICK: Duration = Duration::from_millis(100);

/// How long a second session is waited for, which is a gain and no need.
const PATIENCE: Duration = Duration::from_secs(3);

/// An open session with what the catalog says.
pub(in crate::cli) struct Connection {
    // Dropped in this order: the session before the runtime that drives it and the server that it talks to.
    pub(in crate::cli) session: Session,
    pub(in crate::cli) catalog: Catalog,
    pub(in crate::cli) oids: LiveOids,
    pub(in crate::cli) target: Target,
    pub(super) runtime: Runtime,
}

impl Connection {
    /// Connects to the command's target. The project's own PostgreSQL gets the system's tables if it has none yet;
    /// any other database is never changed by connecting.
    pub(in crate::cli) fn open(
        project: &Project,
        clinic: &Clinic,
        target: Option<&str>,
        purpose: Purpose,
        stage: Stage,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let target = Target::resolve(project, Some(clinic), target)?;
        Self::to(target, project, clinic, purpose, stage, observer)
    }

    /// Connects to a target.
    pub(super) fn to(
        target: Target,
        project: &Project,
        clinic: &Clinic,
        purpose: Purpose,
        stage: Stage,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (session, catalog, oids) = runtime.block_on(async {
            let mut session = droppable(Session::open(&target, purpose)).await?;
            let canceller = session.canceller();
            // Reading the catalog waits for whoever locks a table.
            let read = async {
                if let Some(timeout) = &clinic.load.lock_timeout {
                    let sql = format!("set lock_timeout = {}", literal(timeout));
                    session.client.batch_execute(&sql).await.map_err(|error| session.error(&error))?;
                }
                let mut live = catalog::read(&session.client, None).await?;
                let file = project.schema_file(&clinic.system);
                if target.is_embedded() && live.tables.is_empty() && file.is_file() {
                    schema::apply(&mut session, &file, None).await?;
                    live = catalog::read(&session.client, None).await?;
                    let text =
                        t!("cli.run.schema_applied", system = clinic.system, count = live.tables.len());
                    observer.event(&Event::Note { stage, text: &text });
                }
                let oids = LiveOids(catalog::live_oids(&session.client).await?);
                anyhow::Ok((live, oids))
            };
            let (live, oids) = interruptible(canceller, read).await?;
            anyhow::Ok((session, live, oids))
        })?;
        Ok(Self { session, catalog, oids, target, runtime })
    }

    /// Drives work on the network. On Ctrl-C the server is asked to give up the statement it is at, and the work ends
    /// with its error, having rolled back.
    pub(in crate::cli) fn block_on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let canceller = self.session.canceller();
        self.runtime.block_on(interruptible(canceller, watched(&self.session, work)))
    }

    /// What drives work on the network.
    pub(in crate::cli) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Another session of the same target; none where the server, or a pooler before it, lets us have no more.
    pub(super) fn another(&self) -> Option<Session> {
        let opened =
            async { tokio::time::timeout(PATIENCE, Session::open(&self.target, Purpose::Write)).await };
        self.runtime.block_on(opened).ok()?.ok()
    }

    /// The hash of the part of the catalog that a check looked at.
    pub(super) fn hash(&self, report: &crate::check::Report) -> String {
        let names: Vec<TableName> = report.tables.iter().map(|table| table.table.clone()).collect();
        catalog::hash(&self.catalog, &names)
    }
}

/// Waits for work on the network; on Ctrl-C the server is asked to give up its statement.
///
/// A task of its own looks for Ctrl-C, since work may hold up the one it is in. It asks again, for one statement may
/// end just before it is asked about, and the next one wait as long.
async fn interruptible<T>(canceller: Canceller, work: impl Future<Output = Result<T>>) -> Result<T> {
    let watch = tokio::spawn(async move {
        loop {
            tokio::time::sleep(TICK).await;
            if interrupt::requested() {
                canceller.cancel().await;
                tokio::time::sleep(10 * TICK).await;
            }
        }
    });
    let result = work.await;
    watch.abort();
    result
}

/// Waits for work that leaves nothing behind, such as connecting; on Ctrl-C it is dropped.
pub(in crate::cli) async fn droppable<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => return result,
            () = tokio::time::sleep(TICK) => interrupt::check()?,
        }
    }
}
