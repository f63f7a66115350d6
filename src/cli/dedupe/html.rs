//! The report of a linkage as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.

use std::path::PathBuf;

use anyhow::Result;
use maud::{Markup, html};
use rust_i18n::t;
use serde_json::json;

use super::super::context::Context;
use super::super::html::charts::{self, Bar};
use super::super::html::document;
use super::super::output::{self, Page};
use super::Desk;
use super::explained::bits;
use super::summarised::{rounded, verdicts};
use crate::config::sheet;
use crate::dedupe::model::weight;
use crate::dedupe::pending::Records;
use crate::dedupe::summary::{self, At, Summary};
use crate::dedupe::{Model, RuleReport, cluster, level_text};
use crate::error::Failure;
use crate::model::masked::masked;
use crate::staging::{private_file, private_folder};

/// Clusters that are shown, and records of each.
const MOST_CLUSTERS: usize = 10;
const MOST_RECORDS: usize = 12;

/// Writes the page, readable by its owner only, and says where it is.
pub(super) fn write(context: &Context, desk: &Desk, file: Option<PathBuf>, show_values: bool) -> Result<()> {
    let entity = &desk.entity;
    if let Some(file) = file.as_ref().filter(|file| file.extension().is_none_or(|found| found != "html")) {
        return Err(Failure::usage(t!("cli.dedupe.report_name", path = file.display())).into());
    }
    let page = page(desk, show_values)?;
    let path = match file {
        Some(file) => file,
        None => {
            let folder = entity.project.staging_dir(&entity.clinic.name).join("reports");
            private_folder(&folder)?;
            folder.join(format!("dedupe-{}.html", entity.name))
        }
    };
    sheet::replace(&path, &page.into_string(), 0o600)?;
    private_file(&path)?;
    output::show(context.format(), &json!({"report": path}), |_| {
        Page::new().line(t!("cli.dedupe.report_written", path = path.display()))
    })
}

fn page(desk: &Desk, show_values: bool) -> Result<Markup> {
    let summary = desk.summary()?;
    let entity = &desk.entity;
    let decided = desk.decisions.decided();
    let thresholds = summary::thresholds(&desk.staging, &entity.name, entity.settings(), &decided)?;
    let clusters = clusters(desk, show_values)?;
    let title = t!("cli.dedupe.report_title", entity = entity.name, clinic = entity.clinic.name);
    Ok(document(
        &title,
        &html! {
            h1 { (title) }
            (figures(&summary))
            h2 { (t!("cli.dedupe.report_weights")) }
            p { (t!("cli.dedupe.report_weights_text")) }
            (weights(&summary.found.model))
            h2 { (t!("cli.dedupe.report_histogram")) }
            p { (t!("cli.dedupe.report_histogram_text")) }
            (charts::histogram(&summary.found.histogram, &[
                (weight(summary.review), t!("cli.dedupe.report_review", threshold = summary.review).into_owned()),
                (weight(summary.accept), t!("cli.dedupe.report_accept", threshold = summary.accept).into_owned()),
            ]))
            h2 { (t!("cli.dedupe.report_thresholds")) }
            (threshold_table(&thresholds, summary.accept))
            h2 { (t!("cli.dedupe.report_rules")) }
            (rules(&summary.found.rules))
            h2 { (t!("cli.dedupe.report_clusters")) }
            (clusters)
        },
    ))
}

fn figures(summary: &Summary) -> Markup {
    let model = &summary.found.model;
    let first = [
        (t!("cli.dedupe.report_records").into_owned(), output::count(model.records)),
        (t!("cli.dedupe.report_compared").into_owned(), output::count(model.candidates)),
        (t!("cli.dedupe.report_expected").into_owned(), rounded(summary.expected_matches)),
        (t!("cli.dedupe.report_cluster_count").into_owned(), output::count(summary.clusters.clusters)),
    ];
    html! {
        dl {
            @for (text, count) in first { div { dt { (text) } dd { (count) } } }
            @for (text, count) in verdicts(&summary.pairs) { div { dt { (text) } dd { (output::count(count)) } } }
        }
        @if !model.converged && !summary.found.pinned {
            p class="warning" { (t!("cli.dedupe.not_converged", rounds = model.rounds)) }
        }
        @if summary.outdated { p class="warning" { (t!("cli.dedupe.outdated")) } }
    }
}

/// Bits of every level, one scale for all comparisons.
fn weights(model: &Model) -> Markup {
    let all = model.comparisons.iter().flat_map(|comparison| &comparison.levels);
    let most = all.map(|level| level.bits().abs()).fold(1.0, f64::max);
    html! {
        @for comparison in &model.comparisons {
            section {
                h3 { (comparison.name) }
                (charts::diverging(&comparison.levels.iter().map(|level| Bar {
                    label: match level.seen {
                        true => level_text(&level.label),
                        false => format!("{} ({})", level_text(&level.label), t!("cli.dedupe.unseen")),
                    },
                    value: level.bits(),
                    text: bits(level.bits()),
                    faint: !level.seen,
                }).collect::<Vec<_>>(), most))
            }
        }
    }
}

fn threshold_table(rows: &[At], accept: f64) -> Markup {
    let most = rows.iter().map(|at| at.accepted).max().unwrap_or_default();
    html! {
        div class="wide" { table {
            thead { tr {
                th { (t!("cli.evaluate.accept")) }
                th { (t!("cli.dedupe.report_accepted_pairs")) }
                th class="bars" {}
                th { (t!("cli.dedupe.report_cluster_count")) }
                th { (t!("cli.dedupe.report_clustered")) }
                th { (t!("cli.dedupe.pairs_waiting")) }
            } }
            tbody {
                @for at in rows {
                    tr class=[(at.threshold == accept).then_some("now")] {
                        td { (at.threshold) }
                        td { (output::count(at.accepted)) }
                        td class="bars" { (charts::share(at.accepted, most)) }
                        td { (output::count(at.clusters)) }
                        td { (output::count(at.records)) }
                        td { (output::count(at.waiting)) }
                    }
                }
            }
        } }
    }
}

fn rules(rules: &[RuleReport]) -> Markup {
    let most = rules.iter().map(|rule| rule.compared).max().unwrap_or_default();
    html! {
        div class="wide" { table {
            thead { tr {
                th { (t!("cli.dedupe.rule")) }
                th { (t!("cli.dedupe.pairs")) }
                th { (t!("cli.dedupe.compared")) }
                th class="bars" {}
                th { (t!("cli.dedupe.biggest")) }
                th { (t!("cli.dedupe.limit")) }
            } }
            tbody {
                @for rule in rules {
                    tr class=[rule.limit.map(|_| "cut")] {
                        td { (rule.rule) }
                        td { (output::count(rule.pairs)) }
                        td { (output::count(rule.compared)) }
                        td class="bars" { (charts::share(rule.compared, most)) }
                        td { (output::count(rule.biggest)) }
                        td { (rule.limit.map(output::count).unwrap_or_default()) }
                    }
                }
            }
        } }
    }
}

/// The biggest clusters with their records, values masked unless wanted. A source_id stays: it is what one types.
fn clusters(desk: &Desk, show_values: bool) -> Result<Markup> {
    let entity = &desk.entity;
    let (_, mut members) =
        cluster::find(&desk.staging, &entity.name, entity.settings(), &desk.decisions.decided())?;
    members.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    members.truncate(MOST_CLUSTERS);
    let ids = members.iter().flat_map(|records| records.iter().take(MOST_RECORDS)).map(String::as_str);
    let records = Records::read(&desk.staging, &entity.name, ids)?;
    let own = records.columns.iter().position(|column| column.eq_ignore_ascii_case("source_id"));
    let cell = |id: &str, column: usize| match records.cell(id, column) {
        Some(text) if show_values => text.to_owned(),
        Some(text) => masked(text),
        None => String::new(),
    };
    // What none of a cluster has is not shown.
    let columns = |ids: &[String]| -> Vec<usize> {
        let filled = |place: &usize| ids.iter().any(|id| records.cell(id, *place).is_some());
        (0..records.columns.len()).filter(|place| Some(*place) != own).filter(filled).collect()
    };
    Ok(html! {
        @if !show_values { p { (t!("cli.dedupe.report_masked")) } }
        @for cluster in &members {
            @let shown = &cluster[..cluster.len().min(MOST_RECORDS)];
            @let columns = columns(shown);
            section {
                h3 { (t!("cli.dedupe.report_cluster", count = output::count(cluster.len() as u64))) }
                div class="wide" { table {
                    thead { tr { th { "source_id" } @for column in &columns { th class="text" { (records.columns[*column]) } } } }
                    tbody {
                        @for id in shown {
                            tr { td { (id) } @for column in &columns { td class="text" { (cell(id, *column)) } } }
                        }
                    }
                } }
            }
        }
    })
}
