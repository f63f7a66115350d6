use anyhow::Result;
use clap::builder::NonEmptyStringValueParser;
use rust_i18n::t;

use super::context::Context;
use super::pipeline::{self, Connection, Wanted};
use super::progress::Progress;
use crate::config::shown;
use crate::error::Failure;
use crate::model::ident::ClinicName;
use crate::model::run::Stage;
use crate::pg::{Purpose, batches};
use crate::rollback::{self, Batch};

/// Push the snapshot of a batch again that was taken back, as a new batch
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: ClinicName,
    /// The batch (its ULID or the beginning of it), or `last`: the one that was written last
    batch: String,
    /// Push it although later batches stand that wrote the same tables; what they wrote is overwritten
    #[arg(long)]
    over_later: bool,
    /// Only print the plan; nothing is written or locked
    #[arg(long)]
    dry_run: bool,
    /// The clinic's name, in place of typing it: a push to production wants it, and --yes is not enough there
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Push to production what was not rehearsed, and why; the ledger keeps it
    #[arg(long, value_name = "WHY", value_parser = NonEmptyStringValueParser::new())]
    without_rehearsal: Option<String>,
}

const EXAMPLES: &str = "Examples:
  trasvase redo acme last
  trasvase redo acme 01JQY2VR --dry-run
  trasvase redo acme 01JQY2VR --over-later";

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        let batch = self.batch(context)?;
        let wanted = Wanted {
            command: "redo".to_owned(),
            notes: t!("rollback.redone", batch = batch.id).into_owned(),
            snapshot: Some(batch.snapshot),
            dry_run: self.dry_run,
            confirm: self.confirm.clone(),
            without_rehearsal: self.without_rehearsal.clone(),
            ..Wanted::stage(Stage::Push)
        };
        pipeline::run_and_show(context, Some(&self.clinic), &wanted)
    }

    /// Refuses a batch whose rows name what is not in the target and may be gone: objects of a bucket, people's accounts.
    fn of_models(&self, known: &[batches::Batch], clinic: &ClinicName) -> Result<()> {
        let batch = match self.batch.as_str() {
            "last" => known.iter().rfind(|batch| batch.status == "rolled_back"),
            name => batches::named(known, clinic, name).ok(),
        };
        let Some(batch) = batch else { return Ok(()) };
        let what = t!("rollback.what_batch", batch = batch.id);
        Ok(batches::refuse_made_anew(&batch.origin, clinic, &what)?)
    }

    /// The batch, whose snapshot is here.
    fn batch(&self, context: &Context) -> Result<Batch> {
        let (project, clinic) = context.clinic(Some(&self.clinic))?;
        let progress = Progress::new(context.global.log_level);
        let target = context.global.target.as_deref();
        let open = || Connection::open(&project, &clinic, target, Purpose::Read, Stage::Push, &progress);
        let connection = context.patiently(open)?;
        let client = &connection.session.client;
        let known = connection.block_on(batches::list(client, &clinic.name))?;
        self.of_models(&known, &clinic.name)?;
        let found = rollback::to_redo(client, &clinic.name, &self.batch, self.over_later);
        let batch = connection.block_on(found)?;
        let folder = project.snapshots_dir(&clinic.name).join(&batch.snapshot);
        if folder.join("manifest.json").is_file() {
            return Ok(batch);
        }
        let (path, snapshot) = (shown(&project, &folder), batch.snapshot.get(..12).unwrap_or_default());
        Err(Failure::failed(t!("rollback.snapshot_gone", snapshot = snapshot, batch = batch.id))
            .hint(t!("rollback.snapshot_gone_hint", path = path, clinic = clinic.name, batch = batch.id))
            .into())
    }
}
