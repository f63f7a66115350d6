//! Reads one source into its raw table.

use std::sync::Arc;

use anyhow::Result;
use rust_i18n::t;

use super::append::{self, Taken};
use super::books::{self, Known};
use super::deliveries;
use super::header;
use super::plan::Reason;
use super::survey::Surveyed;
use super::unpack;
use super::{FileReport, Options, SourceReport};
use crate::error::Failure;
use crate::model::ident::{literal, quoted};
use crate::model::loss;
use crate::model::run::{Event, Observer, Stage};
use crate::sources::{
    self, Dialect, Fields, Finding, Frozen, Opened, Origin, Severity, SourceFile, Survey, Totals,
};
use crate::staging::Staging;

/// Builds the source's table beside the old one, checks it, and swaps it in with its books, in one transaction.
pub(super) fn load(
    options: &Options<'_>,
    surveyed: &Surveyed,
    known: Option<&Known>,
    reason: Reason,
    observer: &dyn Observer,
) -> Result<SourceReport> {
    let stage = Stage::Load;
    let new = deliveries::new_files(surveyed, known)
        .filter(|_| options.incremental && reason != Reason::OptionsChanged);
    let unpacked = unpack::all(options, surveyed, new.as_deref())?;
    let surveyed = unpacked.as_ref().map_or(surveyed, |(unpacked, _)| unpacked);
    let total = Some(surveyed.bytes()).filter(|bytes| *bytes > 0);
    observer.event(&Event::Started { stage, subject: &surveyed.name, total });
    let staging = options.staging;
    let report = staging.transaction(|| {
        let mut table = Table::new(options, surveyed, observer);
        match (&new, known) {
            (Some(new), Some(known)) => {
                table.earlier(books::report(staging, &surveyed.name)?);
                books::forget_settings(staging, &surveyed.name)?;
                table.read_new(known, new)?;
            }
            _ => {
                books::forget(staging, &surveyed.name)?;
                let same_options = |known: &&Known| known.options_hash == surveyed.options_hash;
                table.read(known.filter(same_options))?;
            }
        }
        let report = table.finish(known)?;
        swap(staging, &surveyed.name)?;
        books::write(staging, surveyed, &report)?;
        Ok(report)
    })?;
    observer.event(&Event::Finished { stage, subject: &surveyed.name, rows: report.rows });
    Ok(report)
}

fn swap(staging: &Staging, source: &str) -> Result<()> {
    let (new, old) = (quoted(&building(source)), quoted(source));
    staging.execute(&format!("drop table if exists raw.{old}; alter table raw.{new} rename to {old};"))
}

fn building(source: &str) -> String {
    format!("{source}__new")
}

/// A raw table that is being built.
struct Table<'a> {
    options: &'a Options<'a>,
    surveyed: &'a Surveyed,
    observer: &'a dyn Observer,
    columns: Vec<String>,
    /// The column of documents that holds each as a whole.
    document: Option<String>,
    /// The files by their numbers, those of earlier deliveries first.
    paths: Vec<String>,
    /// Of documents, the columns of all files.
    fields: Option<Arc<Fields>>,
    /// All names are those of the first file's header.
    named: bool,
    files: Vec<FileReport>,
    findings: Vec<Finding>,
}

impl<'a> Table<'a> {
    fn new(options: &'a Options<'a>, surveyed: &'a Surveyed, observer: &'a dyn Observer) -> Self {
        Self {
            options,
            surveyed,
            observer,
            columns: Vec::new(),
            document: None,
            paths: Vec::new(),
            fields: None,
            named: false,
            files: Vec::new(),
            findings: Vec::new(),
        }
    }

    fn read(&mut self, frozen: Option<&Known>) -> Result<()> {
        let surveyed = self.surveyed;
        if let (true, Some(columns)) = (surveyed.parts.is_empty(), &surveyed.config.optional_columns) {
            (self.columns, self.findings) = sources::named(columns);
            return self.create();
        }
        self.paths = surveyed.parts.iter().map(|(file, _)| file.shown.clone()).collect();
        self.fields = sources::fields(&surveyed.parts, &surveyed.config, &[])?;
        for (number, (file, survey)) in (1u64..).zip(&surveyed.parts) {
            self.read_part(number, (file, survey), frozen)?;
        }
        Ok(())
    }

    /// Begins with what earlier deliveries gave.
    fn earlier(&mut self, report: SourceReport) {
        self.columns = report.columns;
        self.named = self.surveyed.config.header_row != Some(0);
        self.files = report.files;
        self.findings = report.findings;
        self.findings.retain(|finding| !deliveries::FOUND.contains(&finding.rule.as_str()));
    }

    /// Reads the files at these places behind those that were read before.
    fn read_new(&mut self, known: &Known, places: &[usize]) -> Result<()> {
        let surveyed = self.surveyed;
        let staging = self.options.staging;
        let new: Vec<_> = places.iter().map(|place| surveyed.parts[*place].clone()).collect();
        self.paths = self.files.iter().map(|file| file.path.clone()).collect();
        self.paths.extend(new.iter().map(|(file, _)| file.shown.clone()));
        self.fields = sources::fields(&new, &surveyed.config, &self.columns)?;
        self.document = deliveries::document_column(staging, &surveyed.name)?;
        let earlier = self.columns.clone();
        if let Some(fields) = &self.fields {
            self.columns = fields.columns().to_vec();
        }
        self.create()?;
        deliveries::carry_over(staging, surveyed, &building(&surveyed.name), &earlier)?;
        for place in places {
            let (file, survey) = &surveyed.parts[*place];
            self.read_part(self.files.len() as u64 + 1, (file, survey), Some(known))?;
        }
        Ok(())
    }

    fn read_part(
        &mut self,
        number: u64,
        (file, survey): (&SourceFile, &Survey),
        frozen: Option<&Known>,
    ) -> Result<()> {
        let surveyed = self.surveyed;
        let frozen = Frozen {
            source: surveyed.name.clone(),
            dialect: frozen.and_then(|known| known.dialect(&file.shown)),
            columns: frozen.map(|known| known.columns.clone()).unwrap_or_default(),
            several: surveyed.parts.len() > 1,
            fields: self.fields.clone(),
        };
        let expected = &frozen.columns;
        let opened = sources::open(file, survey, &surveyed.config, &frozen)?;
        let text = t!("load.note.dialect", path = file.shown, dialect = opened.dialect());
        self.observer.event(&Event::Note { stage: Stage::Load, text: &text });
        if number == 1 {
            self.columns = opened.columns().to_vec();
            if opened.document_column().is_none() && header::is_data(expected, &self.columns) {
                return Err(self.not_the_header(file, expected, &self.columns));
            }
            self.document = opened.document_column().map(str::to_owned);
            self.create()?;
            self.named = opened.is_named();
        }
        let order = self.order(file, &opened)?;
        self.read_file(number, (file, survey), (&opened, opened.freeze(&frozen)), order.as_deref())?;
        Ok(())
    }

    /// `_file` and `_row` are told from `_id`, and not kept a second time.
    fn create(&self) -> Result<()> {
        let kind = |name: &String| if self.document.as_ref() == Some(name) { "json" } else { "varchar" };
        let columns = self.columns.iter().map(|name| format!("{} {}, ", quoted(name), kind(name)));
        self.options.staging.execute(&format!(
            "create or replace table raw.{} ({}_id bigint not null, _file varchar as ({}), _row bigint as (_id & {}))",
            quoted(&building(&self.surveyed.name)),
            columns.collect::<String>(),
            file_of_id(&self.paths),
            (1u64 << 36) - 1
        ))
    }

    /// Where each of the table's columns is in a file whose header has them in another order: columns are told by
    /// their names where the header itself gives each of them one.
    fn order(&mut self, file: &SourceFile, opened: &Opened) -> Result<Option<Vec<usize>>> {
        let columns = opened.columns();
        if columns == self.columns {
            return Ok(None);
        }
        let place = |name: &String| columns.iter().position(|column| column == name);
        let order: Option<Vec<usize>> = self.columns.iter().map(place).collect();
        match order.filter(|order| order.len() == columns.len() && self.named && opened.is_named()) {
            Some(order) => {
                let moved = (0..).zip(&order).filter(|(place, from)| place != *from).count() as u64;
                let finding = Finding::new("columns_reordered", Severity::Info, moved);
                self.findings.push(finding.detail(t!("load.detail.columns_reordered", path = file.shown)));
                Ok(Some(order))
            }
            None => Err(self.other_header(file, columns)),
        }
    }

    fn other_header(&self, file: &SourceFile, columns: &[String]) -> anyhow::Error {
        let longest = self.columns.len().max(columns.len());
        if !header::are_names(&self.columns, columns) {
            return self.not_the_header(file, &self.columns, columns);
        }
        let differs = |position: &usize| self.columns.get(*position) != columns.get(*position);
        let position = (0..longest).find(differs).unwrap_or(longest);
        let name = |columns: &[String]| {
            columns.get(position).cloned().unwrap_or_else(|| t!("load.no_such_column").into_owned())
        };
        let first = self.files.first().map_or(&self.surveyed.parts[0].0.shown, |file| &file.path);
        let (here, there) = (header::only(columns, &self.columns), header::only(&self.columns, columns));
        let hint = match here.is_empty() && there.is_empty() {
            true => t!("load.unnamed_header_hint"),
            false => t!(
                "load.other_header_hint",
                path = file.shown,
                here = header::shown(&here, true),
                first = first,
                there = header::shown(&there, true)
            ),
        };
        Failure::failed(t!(
            "load.other_header",
            path = file.shown,
            position = position + 1,
            column = name(columns),
            other = name(&self.columns),
            first = first
        ))
        .hint(hint)
        .into()
    }

    /// What stands in the header's place is not shown: it may be a patient's, in either file.
    fn not_the_header(&self, file: &SourceFile, expected: &[String], found: &[String]) -> anyhow::Error {
        let missing = header::shown(&header::only(expected, found), header::are_names(expected, found));
        Failure::failed(t!("load.not_the_header", path = file.shown, missing = missing))
            .hint(t!("load.not_the_header_hint", source = self.surveyed.name))
            .into()
    }

    /// Reads, appends and counts a file at the same time, then holds the three against each other.
    fn read_file(
        &mut self,
        number: u64,
        (file, survey): (&SourceFile, &Survey),
        (opened, frozen): (&Opened, Dialect),
        order: Option<&[usize]>,
    ) -> Result<()> {
        let origin =
            Origin { source_number: self.surveyed.number, file_number: number, shown: file.shown.clone() };
        let sources = self.options.clinic.sources.iter();
        let beside =
            sources.filter(|(name, config)| **name == self.surveyed.name || file.is_named_by(config));
        let beside: Vec<_> = beside.map(|(name, config)| (name.as_str(), config)).collect();
        let table = append::Table {
            staging: self.options.staging,
            source: &self.surveyed.name,
            name: &building(&self.surveyed.name),
            document: self.document.as_deref(),
            beside: &beside,
        };
        let Taken { totals, counted, fingerprint, checked } =
            table.take(&origin, opened, order, self.observer)?;
        let survey = &survey.settled(file, &fingerprint);
        if fingerprint != survey.fingerprint || !survey.still_holds(file) {
            return Err(Failure::failed(t!("load.changed_while_read", path = file.shown))
                .hint(t!("load.changed_hint", clinic = self.options.clinic.name))
                .into());
        }
        let loaded = self.loaded(&origin)?;
        reconcile(file, loaded, counted, &totals)?;
        let noticed = opened.findings().iter().chain(&checked).chain(&totals.findings);
        let noticed: Vec<_> = noticed.map(|finding| self.placed(finding, file)).collect();
        self.findings.extend(noticed);
        self.files.push(FileReport {
            path: file.shown.clone(),
            bytes: survey.of_file().bytes,
            sha256: survey.of_file().sha256.clone(),
            dialect: opened.dialect(),
            frozen,
            loaded,
            refused: totals.refused,
            cells: totals.cells,
            counted,
        });
        Ok(())
    }

    /// Of several files, the finding names its own; one of a loss always does.
    fn placed(&self, finding: &Finding, file: &SourceFile) -> Finding {
        if self.surveyed.parts.len() < 2 && self.files.is_empty() || loss::is(&finding.rule) {
            return finding.clone();
        }
        let detail = finding.detail.as_deref().map_or_else(String::new, |detail| format!(": {detail}"));
        finding.clone().detail(format!("{}{detail}", file.shown))
    }

    /// The file's rows that really are in the table.
    fn loaded(&self, origin: &Origin) -> Result<u64> {
        let first = origin.source_number << 50 | origin.file_number << 36;
        let table = quoted(&building(&self.surveyed.name));
        let last = first + (1 << 36) - 1;
        self.options
            .staging
            .value(&format!("select count(*) from raw.{table} where _id between {first} and {last}"))
    }

    fn finish(mut self, known: Option<&Known>) -> Result<SourceReport> {
        let (staging, name) = (self.options.staging, &self.surveyed.name);
        let laid = deliveries::lay(staging, name, &self.surveyed.config, (&building(name), &self.columns))?;
        let superseded = deliveries::superseded(staging, name)?;
        self.findings.extend(laid);
        self.findings.extend(known.and_then(|known| columns_changed(&known.columns, &self.columns)));
        Ok(SourceReport {
            name: self.surveyed.name.clone(),
            number: self.surveyed.number,
            columns: self.columns,
            rows: self.files.iter().map(|file| file.loaded).sum::<u64>() - superseded,
            refused: self.files.iter().map(|file| file.refused).sum(),
            superseded,
            files: self.files,
            unchanged: false,
            findings: self.findings,
        })
    }
}

/// What was loaded and what was refused is what was counted, or nothing of the source is kept.
fn reconcile(file: &SourceFile, loaded: u64, counted: u64, totals: &Totals) -> Result<()> {
    if loaded == totals.rows && loaded + totals.refused == counted {
        return Ok(());
    }
    let (path, refused) = (&file.shown, totals.refused);
    let message = t!("load.miscounted", path = path, counted = counted, loaded = loaded, refused = refused);
    Err(Failure::failed(message).hint(t!("load.miscounted_hint")).into())
}

fn columns_changed(before: &[String], now: &[String]) -> Option<Finding> {
    let (added, removed) = (header::only(now, before), header::only(before, now));
    let count = (added.len() + removed.len()) as u64;
    let detail = || {
        let may_be_shown = header::are_names(before, now);
        let (added, removed) = (header::shown(&added, may_be_shown), header::shown(&removed, may_be_shown));
        t!("load.detail.columns_changed", added = added, removed = removed)
    };
    (count > 0).then(|| Finding::new("columns_changed", Severity::Warning, count).detail(detail()))
}

/// SQL for the path of an `_id`'s file.
fn file_of_id(paths: &[String]) -> String {
    match paths {
        [] => "null::varchar".to_owned(),
        [path] => literal(path),
        paths => {
            let paths = paths.iter().map(|path| literal(path)).collect::<Vec<_>>().join(", ");
            format!("([{paths}])[(_id >> 36) & {}]", (1u64 << 14) - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn records_that_do_not_add_up_are_a_failure() {
        let file = SourceFile { shown: "s.csv".to_owned(), path: "s.csv".into() };
        let totals = Totals { rows: 5, refused: 2, ..Totals::default() };
        assert!(reconcile(&file, 5, 7, &totals).is_ok());
        for (loaded, counted) in [(5, 8), (5, 6), (4, 6), (4, 7), (6, 8)] {
            let failure = Failure::from_anyhow(&reconcile(&file, loaded, counted, &totals).unwrap_err());
            let numbers = format!("records counted: {counted}, but loaded: {loaded}, and refused: 2");
            assert!(failure.kind == Kind::Failed && failure.message.contains(&numbers), "{failure:?}");
        }
    }

    #[test]
    fn columns_that_come_and_go_are_named() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let finding = columns_changed(&names(&["a", "b"]), &names(&["b", "c"])).unwrap();
        assert_eq!((finding.count, finding.detail.as_deref()), (2, Some("new: c; gone: a")));
        assert_eq!(columns_changed(&names(&["a", "b"]), &names(&["b", "a"])), None);
        // A line of values is no header.
        let finding = columns_changed(&names(&["id", "name", "fee"]), &names(&["Luz", "Ana", "x"])).unwrap();
        assert_eq!(finding.detail.as_deref(), Some("new: columns (3); gone: columns (3)"));
    }
}
