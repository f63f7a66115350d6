//! What a push to production wants: a clean rehearsal of the same snapshot, or a reason.

use anyhow::Result;
use rust_i18n::t;

use super::{Pipeline, row_of};
use crate::cli::output;
use crate::cli::progress::Both;
use crate::cli::rehearse::why_not;
use crate::error::Failure;
use crate::model::run::{Event, Observer as _, Stage};
use crate::rehearse;
use crate::snapshot::Snapshot;

impl Pipeline<'_> {
    /// Why this snapshot goes to production without a clean rehearsal; none where it had one.
    ///
    /// # Errors
    /// It had none, and no reason was given.
    pub(super) fn unrehearsed(&self, snapshot: &Snapshot) -> Result<Option<String>> {
        // What another stage writes is written once it is there: nothing of it could be rehearsed.
        if !snapshot.manifest().origin.is_models() {
            return Ok(None);
        }
        let Some(missing) = self.unclean(snapshot)? else { return Ok(None) };
        let reason = self.wanted.without_rehearsal.as_deref().map(str::trim).filter(|why| !why.is_empty());
        let Some(reason) = reason else { return Err(missing.into()) };
        let text = t!("rehearse.without", reason = reason);
        Both(&self.progress, &self.journal).event(&Event::Warning { stage: Stage::Push, text: &text });
        Ok(Some(reason.to_owned()))
    }

    /// The failure of a snapshot whose last rehearsal was not clean, or that had none.
    fn unclean(&self, snapshot: &Snapshot) -> Result<Option<Failure>> {
        let staging = self.staging.as_ref();
        let last = staging.map(|staging| rehearse::last_of(staging, snapshot.id())).transpose()?.flatten();
        let text = match last {
            Some(last) if last.clean => return Ok(None),
            Some(last) => {
                let why = why_not(&last).unwrap_or_else(|| "?".to_owned());
                t!("rehearse.last_not_clean", at = output::moment(&last.at), why = why)
            }
            None if self.verified(snapshot)? => return Ok(None),
            None => t!("cli.push.not_rehearsed"),
        };
        let clinic = &self.clinic.name;
        let failure = Failure::usage(text).hint(format!("trasvase rehearse {clinic}"));
        let targets = self.clinic.rehearsals().into_iter();
        let failure = targets.fold(failure, |failure, target| {
            failure.hint(format!("trasvase run {clinic} --from push --target {target}"))
        });
        Ok(Some(failure.hint(t!("rehearse.without_hint"))))
    }

    /// Whether the snapshot's last verification found nothing: what a staging file tells that knows of no rehearsals yet.
    fn verified(&self, snapshot: &Snapshot) -> Result<bool> {
        let row = self.staging.as_ref().map(|staging| row_of(staging, Stage::Verify)).transpose()?.flatten();
        Ok(row.is_some_and(|row| row.output.as_deref() == Some(snapshot.id()) && row.counts["clean"] == true))
    }

    /// What the ledger is to say of the batch.
    pub(super) fn notes(&self) -> String {
        let reason = self.unrehearsed.as_ref().map(|reason| format!("without rehearsal: {reason}"));
        let notes = Some(self.wanted.notes.clone()).filter(|notes| !notes.is_empty());
        notes.into_iter().chain(reason).chain(self.own_notes.iter().cloned()).collect::<Vec<_>>().join("\n")
    }
}
