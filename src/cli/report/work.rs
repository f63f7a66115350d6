//! How it came to be: maps, corrections, stages, versions, hashes.

use maud::{Markup, html};
use rust_i18n::t;

use super::page::{Column, number, plain, table};
use crate::cli::html::charts::share;
use crate::cli::output;
use crate::report::Report;
use crate::staging::Ended;

pub(super) fn section(report: &Report) -> Markup {
    html! {
        @if !report.maps.is_empty() {
            h2 { (t!("report.maps")) }
            (maps(report))
        }
        @if !report.fixes.is_empty() {
            h2 { (t!("report.fixes")) }
            (fixes(report))
        }
        @if !report.stages.is_empty() {
            h2 { (t!("report.stages")) }
            (stages(report))
            (own_steps(report))
        }
        h2 { (t!("report.sources")) }
        (sources(report))
        h2 { (t!("report.snapshot_files")) }
        (files(report))
        h2 { (t!("report.models")) }
        (models(report))
    }
}

fn maps(report: &Report) -> Markup {
    let rows = report.maps.iter().map(|one| {
        let values = one.translated + one.unmapped_values;
        vec![
            plain(&one.map),
            plain(one.targets.join(", ")),
            number(one.translated),
            number(one.unmapped_values),
            share(one.translated, values),
            number(one.unmapped_rows),
            plain(match one.policy.as_str() {
                "reject" => t!("report.policy_reject"),
                "null" => t!("report.policy_null"),
                _ => t!("report.policy_keep"),
            }),
        ]
    });
    table(
        &[
            (t!("report.map"), Column::Name),
            (t!("cli.table"), Column::Text),
            (t!("report.translated"), Column::Number),
            (t!("report.unmapped_values"), Column::Number),
            (t!("report.coverage"), Column::Name),
            (t!("report.unmapped_rows"), Column::Number),
            (t!("report.policy"), Column::Text),
        ],
        rows.collect(),
    )
}

fn fixes(report: &Report) -> Markup {
    let rows = report
        .fixes
        .iter()
        .map(|one| vec![plain(format!("{}.{}", one.entity, one.column)), number(one.cells)]);
    table(&[(t!("report.column"), Column::Name), (t!("report.cells"), Column::Number)], rows.collect())
}

fn stages(report: &Report) -> Markup {
    let most = report.stages.iter().map(|run| run.milliseconds).max().unwrap_or_default();
    let rows = report.stages.iter().map(|run| {
        let peak = run.peak_bytes.map_or_else(|| "–".to_owned(), output::size);
        vec![
            plain(match report.phases.get(&run.stage) {
                Some(phase) => format!("{phase} ({})", run.stage),
                None => run.stage.clone(),
            }),
            plain(output::duration(run.milliseconds)),
            share(run.milliseconds, most),
            number(run.rows),
            plain(output::speed(run.rows, run.milliseconds)),
            html! { (peak) @if run.peak_bytes.is_some() && !run.peak_of_stage { " *" } },
            plain(output::moment(&run.ended_at)),
        ]
    });
    html! {
        (table(&[
            (t!("cli.status.stage"), Column::Name),
            (t!("cli.log.took"), Column::Number),
            ("".into(), Column::Name),
            (t!("cli.rows"), Column::Number),
            (t!("report.speed"), Column::Number),
            (t!("report.peak"), Column::Number),
            (t!("cli.log.when"), Column::Name),
        ], rows.collect()))
        @if report.stages.iter().any(|run| run.peak_bytes.is_some() && !run.peak_of_stage) { p { (t!("report.peak_of_run")) } }
    }
}

fn own_steps(report: &Report) -> Markup {
    let rows = report.own_steps.iter().map(|own| {
        let state = match own.ended {
            Ended::Done => t!("cli.state.done"),
            Ended::Running | Ended::Failed => t!("cli.state.failed"),
        };
        vec![
            plain(&own.name),
            plain(&own.place),
            plain(state),
            plain(own.milliseconds.map(output::duration).unwrap_or_default()),
            plain(own.ended_at.as_deref().map(output::moment).unwrap_or_default()),
        ]
    });
    html! {
        @if !report.own_steps.is_empty() {
            (table(&[
                (t!("report.own_step"), Column::Name),
                (t!("report.own_place"), Column::Text),
                (t!("cli.status.state"), Column::Text),
                (t!("cli.log.took"), Column::Number),
                (t!("cli.log.when"), Column::Name),
            ], rows.collect()))
        }
    }
}

fn sources(report: &Report) -> Markup {
    let files =
        report.sources.iter().flat_map(|source| source.count.files.iter().map(move |file| (source, file)));
    let rows = files.map(|(source, file)| {
        vec![plain(&source.count.source), plain(&file.name), number(file.bytes), plain(&file.sha256)]
    });
    table(
        &[
            (t!("report.source"), Column::Name),
            (t!("report.file"), Column::Text),
            (t!("report.bytes"), Column::Number),
            ("SHA-256".into(), Column::Hash),
        ],
        rows.collect(),
    )
}

fn files(report: &Report) -> Markup {
    let rows = report.files.iter().map(|one| {
        vec![plain(&one.file.name), number(one.rows), number(one.file.bytes), plain(&one.file.sha256)]
    });
    table(
        &[
            (t!("report.file"), Column::Text),
            (t!("cli.rows"), Column::Number),
            (t!("report.bytes"), Column::Number),
            ("SHA-256".into(), Column::Hash),
        ],
        rows.collect(),
    )
}

fn models(report: &Report) -> Markup {
    let rows = report.models.iter().map(|one| {
        let rows = one.rows.map(output::count).unwrap_or_default();
        vec![plain(&one.model), number(one.version), plain(rows), plain(&one.fingerprint)]
    });
    table(
        &[
            (t!("report.model"), Column::Name),
            (t!("report.version"), Column::Number),
            (t!("cli.rows"), Column::Number),
            (t!("report.fingerprint"), Column::Hash),
        ],
        rows.collect(),
    )
}
