//! What a report or a sign-off is about: a snapshot, the batch that wrote it, and what a verification says of both now.

use anyhow::Result;
use rust_i18n::t;

use crate::cli::context::Context;
use crate::cli::pipeline::{Connection, prove};
use crate::cli::progress::Progress;
use crate::config::{Clinic, Project};
use crate::desk::{Decisions, decided};
use crate::error::Failure;
use crate::model::manifest::Origin;
use crate::model::proof::Proof;
use crate::model::run::Stage;
use crate::pg::batches::{self, Batch};
use crate::pg::embedded::{self, Status};
use crate::pg::{Purpose, Target};
use crate::report::Verification;
use crate::snapshot::Snapshot;
use crate::staging::{Access, Staging};

/// How it is named.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Named {
    pub(in crate::cli) snapshot: Option<String>,
    /// The beginning of a batch's id, or `last`.
    pub(in crate::cli) batch: Option<String>,
}

pub(in crate::cli) struct Subject {
    pub(in crate::cli) snapshot: Snapshot,
    pub(in crate::cli) batch: Option<Batch>,
    /// The target's name.
    pub(in crate::cli) target: String,
    /// None where it could not be reached.
    pub(in crate::cli) connection: Option<Connection>,
    /// Why not.
    not_reached: Option<String>,
    pub(in crate::cli) staging: Option<Staging>,
}

impl Subject {
    /// Finds it. What was named is wanted on the target; without a name, the latest snapshot is reported without one too.
    pub(in crate::cli) fn find(
        context: &Context,
        project: &Project,
        clinic: &Clinic,
        named: &Named,
    ) -> Result<Self> {
        let name = context.global.target.as_deref();
        let reached = reach(context, project, clinic);
        let (connection, not_reached) = match reached {
            Ok(connection) => (Some(connection), None),
            Err(error) if named.batch.is_some() => return Err(error),
            Err(error) => (None, Some(Failure::from_anyhow(&error).message)),
        };
        let batches = match &connection {
            Some(one) => one.block_on(batches::list(&one.session.client, &clinic.name))?,
            None => Vec::new(),
        };
        let folder = project.snapshots_dir(&clinic.name);
        let (snapshot, batch) = match &named.batch {
            Some(wanted) => {
                // What later stages wrote is reported and signed with nobody's records: `last` is the models' last one.
                let of_models = |batch: &&Batch| wanted != "last" || batch.origin == Origin::Models.as_str();
                let batches: Vec<Batch> = batches.iter().filter(of_models).cloned().collect();
                let batch = batches::named(&batches, &clinic.name, wanted)?;
                (Snapshot::find(&folder, Some(&batch.snapshot))?, Some(batch.clone()))
            }
            None => {
                let snapshot = Snapshot::find(&folder, named.snapshot.as_deref())?;
                let wrote = |batch: &&Batch| batch.snapshot == snapshot.id() && batch.status == "completed";
                let batch = batches.iter().rev().find(wrote).cloned();
                (snapshot, batch)
            }
        };
        let staging = match project.duckdb_path(&clinic.name).is_file() {
            true => Some(Staging::open(project, clinic, Access::ReadOnly, &context.limits())?),
            false => None,
        };
        let target = Target::chosen(project, name)?;
        Ok(Self { snapshot, batch, target, connection, not_reached, staging })
    }

    /// Verifies it there and then.
    pub(in crate::cli) fn prove(
        &self,
        context: &Context,
        project: &Project,
        clinic: &Clinic,
        sample: usize,
    ) -> Result<Proof> {
        let Some(connection) = &self.connection else {
            let why = self.not_reached.clone().unwrap_or_default();
            return Err(Failure::failed(why).into());
        };
        let progress = Progress::new(context.global.log_level);
        prove(context, (project, clinic), connection, &self.snapshot, sample, &progress)
    }

    /// What a verification says: one of this moment where that can be had, else the last one that the staging file knows
    /// of; and why it is not one of this moment.
    pub(in crate::cli) fn verification(
        &self,
        context: &Context,
        project: &Project,
        clinic: &Clinic,
        sample: usize,
    ) -> Result<(Option<Verification>, Option<String>)> {
        let decisions = Decisions::read(project, clinic)?;
        let (why, proof) = match (&self.connection, &self.batch) {
            (Some(_), Some(_)) => match self.prove(context, project, clinic, sample) {
                Ok(proof) => (None, Some(proof)),
                Err(error) => (Some(Failure::from_anyhow(&error).message), None),
            },
            (Some(_), None) => (Some(t!("report.not_pushed", target = self.target).into_owned()), None),
            (None, _) => (self.not_reached.clone(), None),
        };
        if let Some(proof) = proof {
            let at = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
            let faults = decided(&proof, &decisions);
            return Ok((
                Some(Verification { target: self.target.clone(), at, fresh: true, faults, proof }),
                None,
            ));
        }
        let known = match &self.staging {
            Some(staging) => staging.verifications(self.snapshot.id())?,
            None => Vec::new(),
        };
        let known = known.into_iter().find(|one| one.target == self.target);
        let last = known.map(|one| -> Result<Verification> {
            let proof: Proof = serde_json::from_str(&one.report)?;
            let faults = decided(&proof, &decisions);
            Ok(Verification { target: one.target, at: one.ended_at, fresh: false, faults, proof })
        });
        Ok((last.transpose()?, why))
    }
}

/// A private server that was never started is not made for a question.
pub(super) fn reach(context: &Context, project: &Project, clinic: &Clinic) -> Result<Connection> {
    let name = context.global.target.as_deref();
    let embedded = Target::chosen(project, name)? == "embedded";
    if embedded && embedded::status(&project.postgres_dir())? == Status::Absent {
        return Err(Failure::failed(t!("trace.no_server")).into());
    }
    let progress = Progress::new(context.global.log_level);
    Connection::open(project, clinic, name, Purpose::Read, Stage::Verify, &progress)
}
