//! What each column of the sources looks like.

use maud::{Markup, html};
use rust_i18n::t;

use super::page::{Column, number, plain, table};
use crate::cli::output::count;
use crate::cli::profile::{counted, ends, guess};
use crate::model::profile::{ColumnProfile, SourceProfile};
use crate::report::Report;

pub(super) fn section(report: &Report) -> Markup {
    html! {
        @if !report.profile.is_empty() {
            h2 { (t!("report.profile")) }
            @for source in &report.profile { (of_source(source)) }
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
