//! `report --compare`: what two snapshots do not have in common.

use anyhow::Result;
use maud::{Markup, html};
use rust_i18n::t;
use serde_json::json;

use super::page::{Column, number, plain, table};
use super::{subject, words, write_pair};
use crate::cli::context::Context;
use crate::cli::html::document;
use crate::cli::output::{self, Page, Table, count};
use crate::config::{Clinic, Project};
use crate::pg::batches;
use crate::report::compare::{self, Comparison, ModelChange, SourceChange, TableChange};
use crate::snapshot::Snapshot;

/// So much of an id names it.
const SHOWN: usize = 12;

pub(super) fn run(context: &Context, project: &Project, clinic: &Clinic, names: &[String]) -> Result<()> {
    let [before, after] = names else { anyhow::bail!("the parser wants two names") };
    let (before, after) = (found(context, project, clinic, before)?, found(context, project, clinic, after)?);
    let limits = context.limits();
    let options = compare::Options { project, clinic, limits: &limits, before: &before, after: &after };
    let comparison = compare::run(&options)?;
    let name = format!("compare-{}-{}", short(before.id()), short(after.id()));
    let written = write_pair(project, clinic, &name, &page(&comparison), &comparison)?;
    let answer = json!({"page": written.page, "json": written.json, "comparison": comparison});
    output::show(context.format(), &answer, |_| {
        let path = t!("report.written", path = written.page.display(), json = written.json.display());
        told(&comparison).line(path)
    })
}

/// A snapshot by the beginning of its id, or that of a batch.
fn found(context: &Context, project: &Project, clinic: &Clinic, name: &str) -> Result<Snapshot> {
    let folder = project.snapshots_dir(&clinic.name);
    let snapshot = Snapshot::find(&folder, Some(name));
    // Of a batch only the target knows the snapshot.
    if snapshot.is_ok() || name != "last" && name.parse::<ulid::Ulid>().is_err() && name.len() < 4 {
        return snapshot;
    }
    let Ok(connection) = subject::reach(context, project, clinic) else { return snapshot };
    let batches = connection.block_on(batches::list(&connection.session.client, &clinic.name))?;
    match batches::named(&batches, &clinic.name, name) {
        Ok(batch) => Snapshot::find(&folder, Some(&batch.snapshot)),
        Err(_) => snapshot,
    }
}

fn short(id: &str) -> &str {
    id.get(..SHOWN).unwrap_or(id)
}

fn headings() -> [std::borrow::Cow<'static, str>; 7] {
    [
        t!("cli.table"),
        t!("report.before"),
        t!("report.after"),
        t!("report.added"),
        t!("report.removed"),
        t!("report.changed"),
        t!("report.columns_changed"),
    ]
}

/// On the terminal: tables that changed, verdicts that did, and models.
fn told(comparison: &Comparison) -> Page {
    let (a, b) = (short(&comparison.before), short(&comparison.after));
    let page = Page::new().line(t!("report.compared_text", a = a, b = b));
    if comparison.before == comparison.after {
        return page.line(t!("report.same"));
    }
    let mut tables = Table::new(headings()).right(&[1, 2, 3, 4, 5]);
    for one in &comparison.tables {
        let counts = [one.before, one.after, one.added, one.removed, one.changed].map(count);
        tables.row([one.table.to_string()].into_iter().chain(counts).chain([columns(one)]));
    }
    let mut sources = Table::new([
        t!("report.source"),
        t!("report.origin"),
        t!("report.imported"),
        t!("report.merged"),
        t!("report.filtered"),
        t!("report.rejected"),
    ]);
    for one in &comparison.sources {
        sources.row([one.source.clone()].into_iter().chain(verdicts(one)));
    }
    let mut models = Table::new([t!("report.models_changed"), "".into()]);
    for one in &comparison.models {
        models.row([one.model.clone(), versions(one)]);
    }
    page.table(tables).table(sources).table(models)
}

fn columns(one: &TableChange) -> String {
    if !one.by_key {
        return t!("report.no_keys").into_owned();
    }
    one.columns.iter().map(|(name, rows)| format!("{name} {}", count(*rows))).collect::<Vec<_>>().join(", ")
}

/// `before → after`, or the number where it is the same.
fn verdicts(one: &SourceChange) -> impl Iterator<Item = String> {
    let of = |count: &crate::model::manifest::SourceCount| {
        [count.read, count.imported + count.skipped, count.merged, count.filtered, count.rejected]
    };
    let before = one.before.as_ref().map_or([0; 5], of);
    let after = one.after.as_ref().map_or([0; 5], of);
    before.into_iter().zip(after).map(|(before, after)| match before == after {
        true => count(before),
        false => format!("{} → {}", count(before), count(after)),
    })
}

fn versions(one: &ModelChange) -> String {
    match (one.before, one.after) {
        (None, _) => t!("report.model_added").into_owned(),
        (_, None) => t!("report.model_removed").into_owned(),
        (Some(before), Some(after)) if before == after => t!("report.model_changed").into_owned(),
        (Some(before), Some(after)) => format!("{before} → {after}"),
    }
}

fn page(comparison: &Comparison) -> Markup {
    let title = t!("report.compared", clinic = comparison.clinic);
    let tables = comparison.tables.iter().map(|one| {
        vec![
            plain(one.table.to_string()),
            number(one.before),
            number(one.after),
            plain(words::signed(i64::try_from(one.added).unwrap_or(i64::MAX))),
            plain(words::signed(-i64::try_from(one.removed).unwrap_or(i64::MAX))),
            number(one.changed),
            plain(columns(one)),
        ]
    });
    let kinds = [
        Column::Name,
        Column::Number,
        Column::Number,
        Column::Number,
        Column::Number,
        Column::Number,
        Column::Text,
    ];
    let tables = table(&headings().into_iter().zip(kinds).collect::<Vec<_>>(), tables.collect());
    let sources = comparison
        .sources
        .iter()
        .map(|one| [plain(&one.source)].into_iter().chain(verdicts(one).map(plain)).collect());
    let models = comparison.models.iter().map(|one| vec![plain(&one.model), plain(versions(one))]);
    document(
        &title,
        &html! {
            h1 { (title) }
            p class="answer fair" { (t!("report.compared_text", a = short(&comparison.before), b = short(&comparison.after))) }
            h2 { (t!("report.tables")) }
            (tables)
            h2 { (t!("report.verdicts")) }
            (table(&[
                (t!("report.source"), Column::Name),
                (t!("report.origin"), Column::Number),
                (t!("report.imported"), Column::Number),
                (t!("report.merged"), Column::Number),
                (t!("report.filtered"), Column::Number),
                (t!("report.rejected"), Column::Number),
            ], sources.collect()))
            @if !comparison.models.is_empty() {
                h2 { (t!("report.models_changed")) }
                (table(&[(t!("report.model"), Column::Name), (t!("report.version"), Column::Text)], models.collect()))
            }
        },
    )
}
