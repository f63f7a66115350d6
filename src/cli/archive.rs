mod page;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use rust_i18n::t;
use serde::Serialize;
use tokio::runtime::Runtime;

use self::page::{listed, planned, proof};
use super::context::Context;
use super::journal;
use super::output::{self, Page};
use super::pipeline::droppable;
use super::progress::{Both, Progress};
use super::{aws, entity};
use crate::archive::{self, Fault, Found, Identities, Indexed, Problem, Report, Restored};
use crate::aws::Bucket;
use crate::config::{Archive, Clinic, Project};
use crate::error::Failure;
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::pg::embedded::{self, Status};
use crate::pg::{Purpose, Session, Target, batches};
use crate::snapshot::Snapshot;
use crate::staging::{Access, Archived, Staging, private_folder};

/// Store a snapshot with all that it was made of where nobody can delete it, and read it back
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// The clinic
    clinic: Option<ClinicName>,
    /// The snapshot (the beginning of its id); the latest where not given
    #[arg(value_name = "SNAPSHOT")]
    snapshot: Option<String>,
    /// Only print what would be stored, and for how long
    #[arg(long)]
    dry_run: bool,
    /// Who archives; git's user.name where not given, else the machine's user
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the archives of a clinic in the bucket
    List {
        /// The clinic
        clinic: Option<ClinicName>,
    },
    /// Read every object again: it is there, it is what was stored, and it is still kept
    Verify {
        /// The clinic
        clinic: Option<ClinicName>,
        /// Only this snapshot's archive (the beginning of its id)
        #[arg(value_name = "SNAPSHOT")]
        snapshot: Option<String>,
    },
    /// Bring a snapshot back, for push and verify on this machine
    Restore {
        /// The clinic
        clinic: ClinicName,
        /// The snapshot (the beginning of its id)
        #[arg(value_name = "SNAPSHOT")]
        snapshot: String,
        /// The file with the age key that opens a sealed archive
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
    },
}

const EXAMPLES: &str = "Examples:
  trasvase archive acme --dry-run
  trasvase archive acme --target production
  trasvase archive list acme
  trasvase archive verify acme
  trasvase archive restore acme 3f2a91c0";

/// So much of a snapshot's id is shown, which names it.
const SHOWN: usize = 12;

/// What was archived, and what the target's ledger says of it.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    report: Report,
    /// Batches of the snapshot that the ledger now knows as archived.
    batches: Vec<String>,
    /// Why the ledger does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_noted: Option<String>,
}

/// A proven archive.
#[derive(Debug, Serialize)]
struct Proven {
    #[serde(flatten)]
    found: Found,
    problems: Vec<Problem>,
}

impl Arguments {
    /// As a run takes it.
    pub(super) fn of_a_run(clinic: &ClinicName) -> Self {
        Self { action: None, clinic: Some(clinic.clone()), snapshot: None, dry_run: false, who: None }
    }

    pub(super) fn run(&self, context: &Context) -> Result<()> {
        match &self.action {
            None => self.archive(&Desk::open(context, self.clinic.as_ref())?),
            Some(Action::List { clinic }) => Desk::open(context, clinic.as_ref())?.list(),
            Some(Action::Verify { clinic, snapshot }) => {
                Desk::open(context, clinic.as_ref())?.verify(snapshot.as_deref())
            }
            Some(Action::Restore { clinic, snapshot, identity }) => {
                let identities = identity.as_deref().map(Identities::read).transpose()?;
                Desk::open(context, Some(clinic))?.restore(snapshot, identities.as_ref())
            }
        }
    }

    fn archive(&self, desk: &Desk<'_>) -> Result<()> {
        if !self.dry_run {
            let answer = self.store(desk)?;
            return output::show(desk.context.format(), &answer, |answer| answer.page(&desk.clinic.name));
        }
        self.with(desk, |options| {
            let work = tempfile::tempdir_in(desk.project.staging_dir(&desk.clinic.name))?;
            let (plan, _) = archive::prepare(options, work.path())?;
            output::show(desk.context.format(), &plan, |plan| planned(plan).line(t!("archive.nothing_yet")))
        })
    }

    /// Stores it.
    pub(super) fn take(&self, context: &Context) -> Result<Answer> {
        self.store(&Desk::open(context, self.clinic.as_ref())?)
    }

    /// Does work with what is to be archived.
    fn with<T>(&self, desk: &Desk<'_>, work: impl FnOnce(&archive::Options<'_>) -> Result<T>) -> Result<T> {
        let (project, clinic) = (&desk.project, &desk.clinic);
        let snapshot = Snapshot::find(&project.snapshots_dir(&clinic.name), self.snapshot.as_deref())?;
        let access = match self.dry_run || !project.duckdb_path(&clinic.name).is_file() {
            true => Access::ReadOnly,
            false => Access::Write,
        };
        let staging = Staging::open(project, clinic, access, &desk.context.limits())?;
        desk.wait(desk.bucket.keeps())?;
        work(&archive::Options {
            project,
            clinic,
            settings: &desk.settings,
            staging: &staging,
            snapshot: &snapshot,
            bucket: &desk.bucket,
            who: entity::who(project, self.who.as_deref()),
        })
    }

    fn store(&self, desk: &Desk<'_>) -> Result<Answer> {
        let report = self.with(desk, |options| {
            desk.journaled("archive", |observer| {
                let work = archive::work_folder(&desk.project, &desk.clinic.name).join(options.snapshot.id());
                private_folder(&work)?;
                let (plan, contents) = archive::prepare(options, &work)?;
                let report = desk.wait(archive::run(options, plan, &contents, &work, observer))?;
                Ok((report.archived.objects, counts(&report), report))
            })
        })?;
        let noted = desk.note(&report.archived);
        let (batches, not_noted) = match noted {
            Ok(batches) if batches.is_empty() => (batches, Some(t!("archive.not_pushed").into_owned())),
            Ok(batches) => (batches, None),
            Err(error) => (Vec::new(), Some(Failure::from_anyhow(&error).message)),
        };
        Ok(Answer { report, batches, not_noted })
    }
}

/// What every archive command works with.
struct Desk<'a> {
    context: &'a Context,
    project: Project,
    clinic: Clinic,
    settings: Archive,
    bucket: Bucket,
    runtime: Runtime,
}

impl<'a> Desk<'a> {
    fn open(context: &'a Context, clinic: Option<&ClinicName>) -> Result<Self> {
        let (project, clinic) = context.clinic(clinic)?;
        let Some(settings) = clinic.archive.clone() else {
            return Err(Failure::usage(t!("archive.no_section", clinic = clinic.name))
                .hint(t!("config.archive_retention_hint"))
                .into());
        };
        let runtime = Runtime::new()?;
        let bucket = aws::bucket(context, &project, &runtime, aws::WORM)?;
        Ok(Self { context, project, clinic, settings, bucket, runtime })
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(droppable(work))
    }

    /// Does work that the run's log tells of.
    fn journaled<T>(
        &self,
        command: &str,
        work: impl FnOnce(&Both<'_>) -> Result<(u64, serde_json::Value, T)>,
    ) -> Result<T> {
        let bucket = Some(self.bucket.name().to_owned());
        let level = self.context.global.log_level;
        journal::of_stage((&self.project, &self.clinic.name), level, (command, Stage::Archive), bucket, work)
    }

    /// The target; a private server that was never started is not made for it.
    fn target(&self) -> Result<Option<Target>> {
        let name = self.context.global.target.as_deref();
        let is_embedded = Target::chosen(&self.project, name)? == "embedded";
        if is_embedded && embedded::status(&self.project.postgres_dir())? == Status::Absent {
            return Ok(None);
        }
        Target::resolve(&self.project, Some(&self.clinic), name).map(Some)
    }

    /// Writes it into the target's ledger.
    fn note(&self, archived: &Archived) -> Result<Vec<String>> {
        let Some(target) = self.target()? else { return Ok(Vec::new()) };
        self.wait(async {
            let session = Session::open(&target, Purpose::Write).await?;
            archive::ledger::note(&session.client, &self.clinic.name, archived).await
        })
    }

    fn found(&self) -> Result<Vec<(Found, Option<Indexed>)>> {
        self.wait(archive::list(&self.bucket, &self.settings, &self.clinic))
    }

    /// Where the books know archives of the clinic that are not where clinic.toml and the environment now say; the target is
    /// asked only where there is `nothing`.
    fn elsewhere(&self, nothing: bool) -> BTreeSet<String> {
        let (clinic, here) = (&self.clinic, self.settings.folder(self.clinic.name.as_str()));
        let staged = match self.project.duckdb_path(&clinic.name).is_file() {
            true => Staging::open(&self.project, clinic, Access::ReadOnly, &self.context.limits())
                .and_then(|staging| staging.archives()),
            false => Ok(Vec::new()),
        };
        let target = if nothing { self.target() } else { Ok(None) };
        let noted = target.and_then(|target| match target {
            Some(target) => self.wait(async {
                let session = Session::open(&target, Purpose::Read).await?;
                archive::ledger::places(&session.client, &clinic.name).await
            }),
            None => Ok(Vec::new()),
        });
        // What cannot be asked now says nothing; it is a help and no need.
        let staged = staged.unwrap_or_default().into_iter().map(|one| (one.bucket, one.prefix));
        let places = staged.chain(noted.unwrap_or_default());
        let places = places.filter(|(bucket, key)| bucket != self.bucket.name() || !key.starts_with(&here));
        places.filter_map(|(bucket, key)| self.place(&bucket, &key)).collect()
    }

    /// What to write so that an archive is found whose keys begin so.
    fn place(&self, bucket: &str, key: &str) -> Option<String> {
        let (folder, _) = key.trim_end_matches('/').rsplit_once('/')?;
        let prefix = folder.strip_suffix(self.clinic.name.as_str())?.trim_end_matches('/');
        let text = match bucket == self.bucket.name() {
            true => t!("archive.elsewhere", bucket = bucket, prefix = prefix),
            false => t!("archive.elsewhere_bucket", bucket = bucket, prefix = prefix),
        };
        Some(text.into_owned())
    }

    fn list(&self) -> Result<()> {
        let found: Vec<Found> = self.found()?.into_iter().map(|(found, _)| found).collect();
        output::show(self.context.format(), found.as_slice(), |found| {
            let page = match found.is_empty() {
                true => Page::new().line(t!("archive.none", bucket = self.bucket.name())),
                false => Page::new().table(listed(found)),
            };
            self.elsewhere(found.is_empty()).into_iter().fold(page, Page::line)
        })
    }

    /// The archives whose snapshot's id begins so.
    fn named(&self, snapshot: Option<&str>) -> Result<Vec<(Found, Option<Indexed>)>> {
        let mut found = self.found()?;
        found.retain(|(one, _)| snapshot.is_none_or(|id| one.snapshot.starts_with(id)));
        if found.is_empty() {
            let (clinic, elsewhere) = (&self.clinic.name, self.elsewhere(true));
            let failure =
                Failure::failed(t!("archive.no_archive", bucket = self.bucket.name(), clinic = clinic));
            let hints = match (elsewhere.is_empty(), snapshot) {
                (false, _) => elsewhere.into_iter().collect(),
                (true, Some(_)) => vec![format!("trasvase archive list {clinic}")],
                (true, None) => vec![format!("trasvase archive {clinic}")],
            };
            return Err(hints.into_iter().fold(failure, Failure::hint).into());
        }
        Ok(found)
    }

    fn verify(&self, snapshot: Option<&str>) -> Result<()> {
        let progress = Progress::new(self.context.global.log_level);
        let mut proven = Vec::new();
        for (found, indexed) in self.named(snapshot)? {
            let problems = match indexed {
                Some(indexed) => self.wait(archive::prove(&self.bucket, &indexed, &progress))?,
                None => vec![Problem {
                    name: found.snapshot.clone(),
                    key: found.snapshot.clone(),
                    fault: Fault::Unfinished,
                }],
            };
            proven.push(Proven { found, problems });
        }
        let problems = proven.iter().map(|one| one.problems.len()).sum::<usize>();
        output::show(self.context.format(), proven.as_slice(), proof)?;
        match problems {
            0 => Ok(()),
            count => Err(Failure::findings(t!("archive.problems", count = count)).into()),
        }
    }

    fn restore(&self, snapshot: &str, identities: Option<&Identities>) -> Result<()> {
        let progress = Progress::new(self.context.global.log_level);
        let mut found = self.named(Some(snapshot))?;
        let (one, indexed) = match (found.pop(), found.is_empty()) {
            (Some(one), true) => one,
            _ => return Err(Failure::usage(t!("archive.several", id = snapshot)).into()),
        };
        let Some(indexed) = indexed else {
            return Err(Failure::findings(t!("archive.unfinished", snapshot = one.snapshot)).into());
        };
        let restored = self.wait(archive::restore(
            &self.project,
            &self.clinic,
            &self.bucket,
            &indexed,
            identities,
            &progress,
        ))?;
        output::show(self.context.format(), &restored, |restored| self.restored(restored))
    }

    fn restored(&self, restored: &Restored) -> Page {
        let (clinic, id) = (&self.clinic.name, &restored.snapshot[..SHOWN.min(restored.snapshot.len())]);
        let line = match restored.was_there {
            true => t!("archive.was_there", snapshot = restored.snapshot),
            false => t!(
                "archive.restored",
                snapshot = restored.snapshot,
                files = output::count(restored.files),
                size = output::size(restored.bytes)
            ),
        };
        let snapshots = self.project.snapshots_dir(clinic);
        let anew = Snapshot::find(&snapshots, Some(&restored.snapshot))
            .ok()
            .and_then(|snapshot| batches::anew(snapshot.manifest().origin.as_str(), clinic));
        let push = anew.unwrap_or_else(|| format!("trasvase push {clinic} --snapshot {id}"));
        Page::new()
            .line(line)
            .line(format!("  → {push}"))
            .line(format!("  → trasvase verify {clinic} --snapshot {id}"))
    }
}

fn counts(report: &Report) -> serde_json::Value {
    serde_json::json!({
        "bucket": report.archived.bucket,
        "prefix": report.archived.prefix,
        "objects": report.archived.objects,
        "bytes": report.archived.bytes,
        "sent": report.sent_objects,
    })
}

impl Answer {
    pub(super) fn counts(&self) -> serde_json::Value {
        counts(&self.report)
    }
}
