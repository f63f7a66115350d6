//! What a verification found: where it is written down, what explains it, and what would mend it.

use rust_i18n::t;

use super::Pipeline;
use crate::cli::output;
use crate::cli::progress::Both;
use crate::cli::verify::{by_batches, short};
use crate::config::LoadMode;
use crate::error::Failure;
use crate::model::catalog::Catalog;
use crate::model::ident::TableName;
use crate::model::run::{Event, Observer as _, Stage};
use crate::pg::batches;
use crate::verify::{self, DifferenceKind as Kind};

impl Pipeline<'_> {
    /// Tells where differences were written down.
    pub(super) fn tell(&self, report: &verify::Report) {
        let observer = Both(&self.progress, &self.journal);
        let rows = report.tables.iter().flat_map(|table| &table.counts).map(|count| count.rows).sum::<u64>();
        if rows > 0 {
            let clinic = &self.clinic.name;
            let text = match &self.staging {
                Some(_) => t!("verify.in_staging", count = output::count(rows), clinic = clinic),
                None => t!("verify.no_staging"),
            };
            observer.event(&Event::Note { stage: Stage::Verify, text: &text });
        }
        match (&report.fixes, &self.wanted.verify.fixes) {
            (Some(fixes), _) => {
                let (path, rows) = (fixes.path.display(), output::count(fixes.rows as u64));
                let later = output::count(fixes.commented as u64);
                let text = t!("verify.fixed", path = path, rows = rows, later = later);
                observer.event(&Event::Warning { stage: Stage::Verify, text: &text });
            }
            (None, Some(_)) => {
                observer.event(&Event::Note { stage: Stage::Verify, text: &t!("verify.nothing_to_fix") });
            }
            (None, None) => {}
        }
    }

    /// The failure with what explains the differences, and what would mend them.
    pub(super) fn explained(&self, failure: Failure, report: &verify::Report, catalog: &Catalog) -> Failure {
        let rewritten = rewriting_triggers(report, catalog);
        let failure = rewritten.into_iter().fold(failure, |failure, (table, triggers)| {
            failure.hint(t!("cli.verify.trigger", table = table, triggers = triggers))
        });
        let inserted = |table: &TableName| self.clinic.load_mode(table) == LoadMode::Insert;
        let is = |one: &verify::Difference, kind| one.kind == kind;
        // What other batches did is told with what to type about them.
        let by_batch = |one: &verify::Difference| one.cause.is_some_and(verify::Cause::is_by_batch);
        let unknown = |one: &verify::Difference| is(one, Kind::Kept) && one.cause.is_none();
        let beside = |one: &verify::Difference| one.cause == Some(verify::Cause::Doubled);
        let extra = |one: &verify::Difference| {
            is(one, Kind::Extra)
                && !beside(one)
                && one.cause != Some(verify::Cause::TakenBack)
                && !one.cause.is_some_and(verify::Cause::is_by_policy)
        };
        let deletes = |table: &TableName| self.clinic.vanished_rule(table).deletes(false);
        let hints = [
            (
                "cli.verify.missing_hint",
                tables_with(report, |_, one| {
                    is(one, Kind::Missing)
                        && !by_batch(one)
                        && !one.cause.is_some_and(verify::Cause::is_by_policy)
                }),
            ),
            (
                "cli.verify.kept_hint",
                tables_with(report, |table, one| inserted(table) && (is_older(one) || unknown(one))),
            ),
            (
                "cli.verify.older_hint",
                tables_with(report, |table, one| {
                    !inserted(table) && (is_older(one) && !by_batch(one) || unknown(one))
                }),
            ),
            ("cli.verify.unknown_hint", tables_with(report, |_, one| unknown(one) && one.columns.is_empty())),
            (
                "cli.verify.extra_hint",
                tables_with(report, |table, one| extra(one) && !by_batch(one) && !deletes(table)),
            ),
            (
                "cli.verify.extra_next",
                tables_with(report, |table, one| extra(one) && !by_batch(one) && deletes(table)),
            ),
            ("verify.doubled_hint", tables_with(report, |_, one| beside(one))),
            (
                "verify.conflict_hint",
                tables_with(report, |_, one| one.cause == Some(verify::Cause::Conflict)),
            ),
        ];
        let clinic = &self.clinic.name;
        let anew = self.made_anew();
        let push = anew.clone().unwrap_or_else(|| format!("trasvase push {clinic}"));
        let told = hints.into_iter().filter(|(_, tables)| !tables.is_empty());
        let failure = told.fold(failure, |failure, (key, tables)| {
            failure.hint(t!(key, tables = tables, clinic = clinic, push = push))
        });
        let failure = by_batches(report).into_iter().fold(failure, |failure, one| {
            let (batch, snapshot) = (&one.batch, short(&one.snapshot));
            let told = match (one.taken_back, &anew) {
                (true, None) => {
                    let again = format!("trasvase redo {clinic} {batch}");
                    t!("verify.taken_back_hint", batch = batch, again = again, push = push)
                }
                (true, Some(again)) => t!("verify.taken_back_anew", batch = batch, again = again),
                (false, _) => {
                    let this = || format!("trasvase push {clinic} --snapshot {}", short(&report.snapshot));
                    let push = anew.clone().unwrap_or_else(this);
                    t!("verify.later_hint", clinic = clinic, batch = batch, snapshot = snapshot, push = push)
                }
            };
            failure.hint(told)
        });
        let broken = report.relations.iter().filter(|one| !one.holds());
        let failure = broken.fold(failure, |failure, one| {
            let Some(first) = one.keys.first() else { return failure };
            let (table, name, keys) = (&one.table, &one.name, one.keys.join(", "));
            failure.hint(t!(
                "verify.broken_hint",
                table = table,
                name = name,
                keys = keys,
                clinic = clinic,
                first = first
            ))
        });
        let open = report.tables.iter().flat_map(|table| &table.counts);
        match open.filter(|one| one.cause == Some(verify::Cause::Conflict)).any(|one| !one.accepted) {
            true => failure.hint(t!("verify.conflict_left", clinic = clinic)),
            false => failure,
        }
    }

    /// What makes the snapshot's rows anew, where they are none of models.
    fn made_anew(&self) -> Option<String> {
        let origin = self.snapshot().ok()?.manifest().origin;
        batches::anew(origin.as_str(), &self.clinic.name)
    }
}

/// Whether a row stands as it did before, or as someone made it since: not as a trigger made it.
fn is_older(difference: &verify::Difference) -> bool {
    difference.kind == Kind::Different && difference.cause != Some(verify::Cause::Rewritten)
}

/// The tables with such a difference, by name.
fn tables_with(report: &verify::Report, wanted: impl Fn(&TableName, &verify::Difference) -> bool) -> String {
    let has = |table: &&verify::TableReport| table.differences.iter().any(|one| wanted(&table.table, one));
    report.tables.iter().filter(has).map(|table| table.table.to_string()).collect::<Vec<_>>().join(", ")
}

/// Tables with rows that were changed as they were written, each with the triggers that may have done it.
fn rewriting_triggers<'a>(report: &'a verify::Report, catalog: &Catalog) -> Vec<(&'a TableName, String)> {
    let rewritten = |one: &verify::Difference| one.cause == Some(verify::Cause::Rewritten);
    let tables = report.tables.iter().filter(|table| table.differences.iter().any(rewritten));
    let triggers = |table: &'a verify::TableReport| {
        let triggers = catalog.tables.get(&table.table)?.rewriting_triggers();
        let names = triggers.map(|trigger| trigger.name.as_str()).collect::<Vec<_>>().join(", ");
        Some((&table.table, names)).filter(|(_, names)| !names.is_empty())
    };
    tables.filter_map(triggers).collect()
}
