//! Goes through a file's documents, whatever they are written in.

use std::borrow::Cow;

use anyhow::Result;
use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE};
use rust_i18n::t;

use super::archive::{Archive, Next};
use super::bson::{self, Written};
use super::fault::Fault;
use super::frame::{Frame, Frames, Start};
use super::json::{Field, Parsed, Stop, parse};
use super::kind::{DocumentKind, Form};
use super::window::{LONGEST, Window};
use crate::error::Failure;
use crate::model::loss;
use crate::sources::encoding::{self, Coding};
use crate::sources::{Finding, Fingerprint, Severity, SourceFile};

/// A record of a file.
#[derive(Clone, Copy)]
pub(super) enum Item<'a> {
    Document { text: &'a str, fields: &'a [Field] },
    Broken(Fault),
}

/// Takes a record, the line (of BSON, the number) at which it begins, and how many bytes of the file were read so far.
pub(super) type Take<'a> = dyn FnMut(Item<'_>, u64, u64) -> Result<()> + 'a;

/// How a file is gone through.
pub(super) struct Walk<'f> {
    pub(super) file: &'f SourceFile,
    pub(super) kind: DocumentKind,
    pub(super) coding: Coding,
    /// An archive's collection.
    pub(super) collection: Option<String>,
}

/// What was known once a file was at its end.
#[derive(Debug, Default)]
pub(super) struct End {
    /// The line, of BSON the document's number, where it was.
    at: u64,
    /// BSON that nothing could be found in any more.
    lost: Option<Fault>,
    torn: bool,
    /// Where the document begins in which the file ends.
    cut: Option<u64>,
    /// Where one begins whose end could not be found.
    place: Option<u64>,
    open_array: bool,
    /// An archive that does not say that the collection is whole.
    cut_archive: bool,
    damaged: bool,
    odd_arrays: (u64, u64),
}

impl End {
    /// Refuses a file of which nothing could be read, since it is something else.
    pub(super) fn refuse_all(self, any: bool, walk: &Walk<'_>) -> Result<()> {
        match self.lost {
            Some(fault @ (Fault::Length | Fault::Archive | Fault::CutOff)) if !any => {
                let why = fault.detail().unwrap_or_default();
                Err(Failure::failed(t!("documents.no_bson", path = walk.file.shown, why = why))
                    .hint(t!("documents.no_bson_hint"))
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// What was noticed of a file. What is lost without a known end stops a run, so that it names the file and the place.
    pub(super) fn findings(&self, walk: &Walk<'_>) -> Vec<Finding> {
        let is_json = matches!(walk.kind.form, Form::Json { .. });
        let told = |(at, rule, detail): (Option<u64>, &str, Cow<'_, str>)| {
            let at = at?;
            let place =
                if is_json { t!("documents.line", line = at) } else { t!("documents.number", number = at) };
            let detail = format!("{}, {place}: {detail}", walk.file.shown);
            Some(Finding::new(rule, Severity::Critical, 1).detail(detail))
        };
        let here = |is: bool| is.then_some(self.at);
        let noticed = [
            (here(self.torn), loss::TORN_GZIP, t!("documents.detail.torn")),
            (self.cut, loss::CUT_DOCUMENT, t!("documents.detail.cut")),
            (self.place, loss::LOST_PLACE, t!("documents.detail.lost_place")),
            (here(self.open_array), loss::OPEN_ARRAY, t!("documents.detail.open_array")),
            (here(self.cut_archive), loss::CUT_ARCHIVE, t!("documents.detail.cut_archive")),
            (here(self.damaged), loss::DAMAGED_ARCHIVE, t!("documents.detail.damaged")),
        ];
        let odd = (self.odd_arrays.0 > 0).then(|| {
            let detail = t!("documents.detail.odd_arrays", first = self.odd_arrays.1);
            Finding::new("odd_arrays", Severity::Warning, self.odd_arrays.0).detail(detail)
        });
        noticed.into_iter().filter_map(told).chain(odd).collect()
    }
}

impl<'f> Walk<'f> {
    pub(super) fn new(file: &'f SourceFile, kind: DocumentKind, given: Option<&str>) -> Result<Self> {
        let given = given.map(|name| encoding::by_name(&file.shown, name)).transpose()?;
        let encoding = match kind.form {
            Form::Json { utf16: Some(little) } => {
                if little {
                    UTF_16LE
                } else {
                    UTF_16BE
                }
            }
            _ => given.unwrap_or(UTF_8),
        };
        Ok(Self { file, kind, coding: Coding { encoding, refuse_utf8_lines: false }, collection: None })
    }

    pub(super) fn window(&self, hashed: bool) -> Result<Window> {
        match self.kind.form {
            Form::Json { .. } => Window::of_text(self.file, self.kind.gzip, hashed, self.coding),
            Form::Bson | Form::Archive => Window::of_bytes(self.file, self.kind.gzip, hashed),
        }
    }

    /// Hands on every record.
    pub(super) fn each(&self, take: &mut Take<'_>) -> Result<End> {
        let window = self.window(false)?;
        match (self.kind.form, &self.collection) {
            (Form::Json { .. }, _) => each_json(Frames::new(window), take),
            (Form::Archive, Some(collection)) => each_archived(Archive::open(window, collection)?, take),
            (Form::Bson | Form::Archive, _) => each_bson(window, take),
        }
    }
}

fn each_json(mut frames: Frames, take: &mut Take<'_>) -> Result<End> {
    let mut parsed = Parsed::default();
    let mut cut = None;
    loop {
        let start = frames.next()?;
        let line = frames.line;
        let fault = match start {
            Start::End => break,
            Start::Other(length) => {
                frames.pass(length);
                Fault::NoDocument
            }
            Start::Array => {
                frames.pass_structure()?;
                Fault::NoDocument
            }
            Start::Document => match taken_apart(&mut frames, &mut parsed)? {
                Ok(length) => {
                    json_document(&frames, length, &mut parsed, take)?;
                    frames.pass(length);
                    continue;
                }
                Err(fault) => {
                    if frames.pass_structure()? == Frame::Incomplete || fault == Fault::CutOff {
                        cut.get_or_insert(line);
                    }
                    fault
                }
            },
        };
        take(Item::Broken(fault), line, frames.window.read())?;
    }
    let (torn, at) = (frames.window.torn(), frames.line);
    let open_array = frames.in_array && cut.is_none() && !torn;
    Ok(End { torn, open_array, cut: cut.filter(|_| !torn), place: frames.lost, at, ..End::default() })
}

/// The length of the document at the window's beginning, or what is wrong with it.
fn taken_apart(frames: &mut Frames, parsed: &mut Parsed) -> Result<Result<usize, Fault>> {
    loop {
        match parse(frames.window.bytes(), parsed) {
            Ok(length) => return Ok(Ok(length)),
            Err(Stop::Broken(fault)) => return Ok(Err(fault)),
            Err(Stop::Incomplete) if frames.window.bytes().len() >= LONGEST => {
                return Ok(Err(Fault::TooLong));
            }
            Err(Stop::Incomplete) if !frames.window.grow()? => return Ok(Err(Fault::CutOff)),
            Err(Stop::Incomplete) => {}
        }
    }
}

fn json_document(frames: &Frames, length: usize, parsed: &mut Parsed, take: &mut Take<'_>) -> Result<()> {
    let plain;
    let item = match std::str::from_utf8(&frames.window.bytes()[..length]) {
        Err(_) => Item::Broken(Fault::NotUtf8),
        Ok(text) if parsed.bare.is_empty() => Item::Document { text, fields: &parsed.fields },
        Ok(text) => {
            plain = without_bare_words(text, parsed);
            Item::Document { text: &plain, fields: &parsed.fields }
        }
    };
    take(item, frames.line, frames.window.read())
}

/// The document with its bare words in wrappers, as JSON has them; its fields become those of the new text.
fn without_bare_words(text: &str, parsed: &mut Parsed) -> String {
    let mut plain = String::with_capacity(text.len() + 64);
    let mut from = 0;
    for word in &parsed.bare {
        plain.push_str(&text[from..word.start]);
        plain.push_str("{\"$numberDouble\":\"");
        plain.push_str(&text[word.clone()]);
        plain.push_str("\"}");
        from = word.end;
    }
    plain.push_str(&text[from..]);
    // It was valid but for the words.
    let _ = parse(plain.as_bytes(), parsed);
    plain
}

fn each_bson(mut window: Window, take: &mut Take<'_>) -> Result<End> {
    let mut written = Written::default();
    let mut number = 0;
    loop {
        number += 1;
        match framed(&mut window)? {
            Framed::End => {
                let (torn, odd_arrays) = (window.torn(), written.odd_arrays);
                return Ok(End { at: number, torn, odd_arrays, ..End::default() });
            }
            Framed::Lost(fault) => {
                take(Item::Broken(fault), number, window.read())?;
                let (torn, is_cut) = (window.torn(), fault == Fault::CutOff);
                return Ok(End {
                    at: number,
                    lost: Some(fault),
                    torn,
                    cut: (is_cut && !torn).then_some(number),
                    place: (!is_cut).then_some(number),
                    odd_arrays: written.odd_arrays,
                    ..End::default()
                });
            }
            Framed::Document(length) => {
                bson_document(&window, length, number, &mut written, take)?;
                window.pass(length);
            }
        }
    }
}

fn bson_document(
    window: &Window,
    length: usize,
    number: u64,
    written: &mut Written,
    take: &mut Take<'_>,
) -> Result<()> {
    let item = match written.write(&window.bytes()[..length], number) {
        Ok(()) => Item::Document { text: &written.text, fields: &written.fields },
        Err(fault) => Item::Broken(fault),
    };
    take(item, number, window.read())
}

fn each_archived(mut archive: Archive, take: &mut Take<'_>) -> Result<End> {
    let mut written = Written::default();
    let mut number = 0;
    let mut end = End::default();
    loop {
        number += 1;
        match archive.next()? {
            Next::End => break,
            Next::Broken(fault) => {
                take(Item::Broken(fault), number, archive.window.read())?;
                end.lost = Some(fault);
                break;
            }
            Next::Document(length) => {
                bson_document(&archive.window, length, number, &mut written, take)?;
                archive.window.pass(length);
            }
        }
    }
    Ok(End {
        at: number,
        torn: archive.window.torn(),
        cut_archive: !archive.closed,
        damaged: archive.damaged,
        odd_arrays: written.odd_arrays,
        ..end
    })
}

/// What BSON begins with.
enum Framed {
    Document(usize),
    /// A length that cannot be, or a document that does not end where it says: what follows cannot be found.
    Lost(Fault),
    End,
}

fn framed(window: &mut Window) -> Result<Framed> {
    if !window.need(4)? {
        return Ok(if window.bytes().is_empty() { Framed::End } else { Framed::Lost(Fault::CutOff) });
    }
    let Some(length) = bson::length(window.bytes()) else { return Ok(Framed::Lost(Fault::Length)) };
    if !window.need(length)? {
        return Ok(Framed::Lost(Fault::CutOff));
    }
    let ends = window.bytes()[length - 1] == 0;
    Ok(if ends { Framed::Document(length) } else { Framed::Lost(Fault::Length) })
}

impl Walk<'_> {
    /// Counts the records by where they begin and end alone, and hashes the file.
    pub(super) fn count(&self) -> Result<(u64, Fingerprint)> {
        let window = self.window(true)?;
        let mut count = 0;
        let window = match (self.kind.form, &self.collection) {
            (Form::Json { .. }, _) => {
                let mut frames = Frames::new(window);
                while pass_record(&mut frames)? {
                    count += 1;
                }
                frames.window
            }
            (Form::Archive, Some(collection)) => {
                let mut archive = Archive::open(window, collection)?;
                while let Next::Document(length) = archive.next()? {
                    count += 1;
                    archive.window.pass(length);
                }
                count += u64::from(archive.lost);
                archive.window
            }
            (Form::Bson | Form::Archive, _) => {
                let mut window = window;
                while let Framed::Document(length) = framed(&mut window)? {
                    count += 1;
                    window.pass(length);
                }
                count += u64::from(!window.bytes().is_empty());
                window
            }
        };
        Ok((count, window.fingerprint()?))
    }

    /// The line at which a JSON record begins.
    pub(super) fn line_of(&self, record: u64) -> Result<Option<u64>> {
        if !matches!(self.kind.form, Form::Json { .. }) {
            return Ok(None);
        }
        let mut frames = Frames::new(self.window(false)?);
        for _ in 1..record {
            if !pass_record(&mut frames)? {
                return Ok(None);
            }
        }
        Ok((frames.next()? != Start::End).then_some(frames.line))
    }
}

/// Passes a JSON record by its structure; false at the end.
fn pass_record(frames: &mut Frames) -> Result<bool> {
    match frames.next()? {
        Start::End => return Ok(false),
        Start::Other(length) => frames.pass(length),
        Start::Document | Start::Array => {
            frames.pass_structure()?;
        }
    }
    Ok(true)
}
