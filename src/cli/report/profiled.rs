//! What the sources hold: their columns, the paths of their documents and what those could become, and which name which.

use maud::{Markup, html};
use rust_i18n::t;

use super::page::{Column, number, plain, table, yes_or_no};
use crate::cli::output::count;
use crate::cli::profile::{counted, ends, guess, path, percent, reason, share, types, verdict};
use crate::model::profile::{ColumnProfile, PathProfile, Reference, SourceProfile};
use crate::report::Report;

pub(super) fn section(report: &Report) -> Markup {
    html! {
        @if !report.profile.is_empty() {
            h2 { (t!("report.profile")) }
            @for source in &report.profile { (of_source(source)) }
            (references(&report.references))
        }
    }
}

fn of_source(source: &SourceProfile) -> Markup {
    let keys: Vec<String> = source.keys.iter().map(|key| key.join(" + ")).collect();
    let keys = if keys.is_empty() { t!("profile.no_key").into_owned() } else { keys.join(", ") };
    html! {
        h3 { (t!("profile.source", source = source.source, rows = count(source.rows), keys = keys)) }
        (table(
            &[
                (t!("profile.column"), Column::Name),
                (t!("profile.guess"), Column::Name),
                (t!("profile.nulls"), Column::Number),
                (t!("profile.distinct"), Column::Number),
                (t!("profile.ends"), Column::Text),
                (t!("profile.patterns"), Column::Text),
                (t!("profile.top"), Column::Text),
            ],
            source.columns.iter().map(row).collect(),
        ))
        (table(
            &[
                (t!("profile.path"), Column::Name),
                (t!("profile.found"), Column::Number),
                (t!("profile.types"), Column::Text),
                (t!("profile.distinct"), Column::Number),
                (t!("profile.verdict"), Column::Name),
                (t!("profile.why"), Column::Text),
            ],
            source.paths.iter().map(of_path).collect(),
        ))
    }
}

fn row(one: &ColumnProfile) -> Vec<Markup> {
    vec![
        plain(&one.column),
        plain(guess(one)),
        number(one.nulls + one.empty),
        number(one.distinct),
        plain(ends(one)),
        plain(counted(&one.patterns)),
        plain(counted(&one.top)),
    ]
}

fn of_path(one: &PathProfile) -> Vec<Markup> {
    vec![
        plain(path(one)),
        plain(share(one)),
        plain(types(one)),
        number(one.distinct),
        plain(verdict(one.verdict)),
        plain(reason(one)),
    ]
}

/// Columns and paths whose values are keys of another source.
fn references(all: &[Reference]) -> Markup {
    let row = |one: &Reference| {
        vec![
            plain(format!("{}.{}", one.source, one.column)),
            plain(format!("{}.{}", one.parent, one.parent_column)),
            plain(percent(one)),
            yes_or_no(one.named),
        ]
    };
    html! {
        @if !all.is_empty() { h3 { (t!("report.references")) } }
        (table(
            &[
                (t!("profile.reference"), Column::Name),
                (t!("profile.parent"), Column::Name),
                (t!("profile.share"), Column::Number),
                (t!("profile.by_name"), Column::Name),
            ],
            all.iter().map(row).collect(),
        ))
    }
}
