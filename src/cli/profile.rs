use std::io::IsTerminal as _;

use anyhow::Result;
use rust_i18n::t;
use serde::Serialize;

use super::context::Context;
use super::output::{self, Page, Table};
use crate::error::Failure;
use crate::model::ident::ClinicName;
use crate::model::profile::{
    ColumnProfile, Counted, DEEPEST, Guess, PathProfile, Reason, Reference, SourceProfile, Verdict,
};
use crate::profile::{self, Draft, Report};
use crate::staging::{Access, Staging};

/// Say what the sources hold: types, nulls, shapes, keys, references, and what paths of documents could become
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The clinic
    clinic: Option<ClinicName>,
    /// Only this source; may be repeated
    #[arg(long, value_name = "SOURCE")]
    source: Vec<String>,
    /// Show values as they are: they are patients' data
    #[arg(long)]
    show_values: bool,
    /// Draft a model for each source that no model reads, in sql/sources/<product>/clean; no file is overwritten
    #[arg(long)]
    write_models: bool,
}

const EXAMPLES: &str = "Examples:
  trasvase profile acme
  trasvase profile acme --source clients --format json
  trasvase profile acme --write-models";

#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    report: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    drafts: Option<Vec<Draft>>,
}

impl Arguments {
    pub(super) fn run(&self, context: &Context) -> Result<()> {
        if self.show_values && !std::io::stdout().is_terminal() {
            return Err(Failure::usage(t!("cli.verify.values_on_terminal")).into());
        }
        let (project, clinic) = context.clinic(self.clinic.as_ref())?;
        let staging = Staging::open(&project, &clinic, Access::ReadOnly, &context.limits())?;
        let only = self.source.iter().map(|name| name.to_lowercase()).collect();
        let options = profile::Options {
            project: &project,
            clinic: &clinic,
            staging: &staging,
            only,
            show_values: self.show_values,
        };
        let report = profile::run(&options)?;
        let drafts = self.write_models.then(|| profile::write_drafts(&options, &report)).transpose()?;
        output::show(context.format(), &Answer { report, drafts }, page)
    }
}

fn page(answer: &Answer) -> Page {
    let report = &answer.report;
    let page = report.sources.iter().fold(Page::new(), |page, source| page.add(of_source(source)));
    let page = page.add(references(report));
    let drafts = answer.drafts.iter().flatten();
    drafts.fold(page, |page, draft| {
        page.line(match draft.written {
            true => t!("profile.drafted", path = draft.path),
            false => t!("profile.not_drafted", source = draft.source, path = draft.path),
        })
    })
}

fn of_source(source: &SourceProfile) -> Page {
    let mut table = Table::new([
        t!("profile.column"),
        t!("profile.guess"),
        t!("profile.nulls"),
        t!("profile.distinct"),
        t!("profile.ends"),
        t!("profile.patterns"),
        t!("profile.top"),
    ])
    .right(&[2, 3]);
    for one in &source.columns {
        table.row([
            one.column.clone(),
            guess(one),
            output::count(one.nulls + one.empty),
            output::count(one.distinct),
            ends(one),
            counted(&one.patterns),
            counted(&one.top),
        ]);
    }
    let keys: Vec<String> = source.keys.iter().map(|key| key.join(" + ")).collect();
    let keys = if keys.is_empty() { t!("profile.no_key").into_owned() } else { keys.join(", ") };
    Page::new()
        .line(t!("profile.source", source = source.source, rows = output::count(source.rows), keys = keys))
        .line("")
        .table(table)
        .add(paths(source))
}

/// The least and the greatest value; one where they are the same.
pub(super) fn ends(one: &ColumnProfile) -> String {
    match (&one.min, &one.max) {
        (Some(min), Some(max)) if min == max => min.clone(),
        (Some(min), Some(max)) => format!("{min} … {max}"),
        _ => String::new(),
    }
}

pub(super) fn counted(all: &[Counted]) -> String {
    let one = |one: &Counted| format!("{} ({})", one.value, output::count(one.count));
    all.iter().take(2).map(one).collect::<Vec<_>>().join(", ")
}

pub(super) fn guess(one: &ColumnProfile) -> String {
    let name = guess_name(one.guess);
    let percent = (one.share * 100.0).floor();
    if percent < 100.0 { format!("{name} ({percent} %)") } else { name }
}

fn guess_name(guess: Guess) -> String {
    match guess {
        Guess::Empty => t!("profile.empty"),
        Guess::Boolean => t!("profile.boolean"),
        Guess::Integer => t!("profile.integer"),
        Guess::Decimal => t!("profile.decimal"),
        Guess::Date => t!("profile.date"),
        Guess::Timestamp => t!("profile.timestamp"),
        Guess::Instant => t!("profile.instant"),
        Guess::Time => t!("profile.time"),
        Guess::Email => t!("profile.email"),
        Guess::Phone => t!("profile.phone"),
        Guess::Uuid => t!("profile.uuid"),
        Guess::ObjectId => t!("profile.object_id"),
        Guess::Json => t!("profile.json"),
        Guess::Code => t!("profile.code"),
        Guess::Text => t!("profile.text"),
    }
    .into_owned()
}

fn paths(source: &SourceProfile) -> Page {
    let mut table = Table::new([
        t!("profile.path"),
        t!("profile.found"),
        t!("profile.types"),
        t!("profile.distinct"),
        t!("profile.verdict"),
        t!("profile.why"),
    ])
    .right(&[1, 3]);
    for one in &source.paths {
        table.row([
            path(one),
            share(one),
            types(one),
            output::count(one.distinct),
            verdict(one.verdict),
            reason(one),
        ]);
    }
    Page::new().table(table)
}

/// A path as it is shown; what has none is the document itself.
pub(super) fn path(one: &PathProfile) -> String {
    if one.steps.is_empty() { t!("profile.whole_document").into_owned() } else { one.path.clone() }
}

pub(super) fn types(one: &PathProfile) -> String {
    let type_of = |(name, count): (&String, &u64)| format!("{name} {}", output::count(*count));
    one.types.iter().map(type_of).collect::<Vec<_>>().join(", ")
}

#[expect(clippy::cast_precision_loss, reason = "a share of documents")]
pub(super) fn share(one: &PathProfile) -> String {
    let percent = if one.of == 0 { 0.0 } else { one.found as f64 * 100.0 / one.of as f64 };
    format!("{} ({percent:.0} %)", output::count(one.found))
}

pub(super) fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Column => t!("profile.as_column"),
        Verdict::Columns => t!("profile.as_columns"),
        Verdict::ChildTable => t!("profile.as_child"),
        Verdict::Jsonb => t!("profile.as_jsonb"),
    }
    .into_owned()
}

pub(super) fn reason(one: &PathProfile) -> String {
    let (shapes, longest) = (output::count(one.shapes), output::count(one.longest));
    match one.reason {
        Reason::OneType => t!("profile.one_type"),
        Reason::SeveralForms => t!("profile.several_forms", kind = guess_name(one.guess)),
        Reason::SeveralTypes => t!("profile.several_types"),
        Reason::NeverFilled => t!("profile.never_filled"),
        Reason::FixedShape => t!("profile.fixed_shape", shapes = shapes),
        Reason::VaryingShape => t!("profile.varying_shape", shapes = shapes),
        Reason::NamesAreData => t!("profile.names_are_data"),
        Reason::TooDeep => t!("profile.too_deep", levels = DEEPEST),
        Reason::ListOfObjects => t!("profile.list_of_objects", longest = longest, shapes = shapes),
        Reason::ListOfValues => t!("profile.list_of_values", longest = longest),
        Reason::MixedList => t!("profile.mixed_list", shapes = shapes),
        Reason::MixedNesting => t!("profile.mixed_nesting"),
    }
    .into_owned()
}

fn references(report: &Report) -> Page {
    let mut table = Table::new([
        t!("profile.reference"),
        t!("profile.parent"),
        t!("profile.share"),
        t!("profile.by_name"),
    ]);
    for one in &report.references {
        table.row([
            format!("{}.{}", one.source, one.column),
            format!("{}.{}", one.parent, one.parent_column),
            percent(one),
            if one.named { t!("cli.yes") } else { t!("cli.no") }.into_owned(),
        ]);
    }
    Page::new().table(table)
}

/// The part of a reference's values that the parent has; never rounded up to all.
pub(super) fn percent(one: &Reference) -> String {
    format!("{:.1} %", (one.share * 1000.0).floor() / 10.0)
}
