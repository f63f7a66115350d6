//! A document with other values: the same fields in the same order, each value of the type that it had.

use std::collections::BTreeMap;

use super::Style;
use super::mask::{Kind, Masks};
use super::survey::{Place, Survey};
use crate::model::document::{Node, is_epoch};
use crate::model::masked::masked;

/// Writes documents whose values are others.
pub(super) struct Rewriter<'a> {
    pub(super) survey: &'a Survey,
    pub(super) masks: &'a mut Masks,
    pub(super) style: Style,
    /// How the values of each path were told from the old ones.
    pub(super) kinds: BTreeMap<String, BTreeMap<Kind, usize>>,
    place: Place,
    /// Days by which the dates of this document move.
    days: i64,
    row: i64,
}

/// Within an hour, instants of a document are moved each for itself.
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

impl<'a> Rewriter<'a> {
    pub(super) fn new(survey: &'a Survey, masks: &'a mut Masks, style: Style) -> Self {
        let (kinds, place) = (BTreeMap::new(), Place::default());
        Self { survey, masks, style, kinds, place, days: 0, row: 0 }
    }

    /// The document of this row, on one line.
    pub(super) fn document(&mut self, text: &str, row: i64) -> String {
        (self.days, self.row) = (self.masks.days(row), row);
        let mut out = String::with_capacity(text.len());
        self.value(text, &mut out);
        out
    }

    fn value(&mut self, text: &str, out: &mut String) {
        let Some(node) = Node::of(text) else { return out.push_str("null") };
        match &node {
            Node::Object(fields) if node.kind() == "object" => {
                let survey = self.survey;
                each(out, '{', fields, '}', |(name, inner), out| {
                    let shown = survey.enter(&mut self.place, name);
                    out.push_str(&quoted(&shown.map_or_else(|| self.name(name), str::to_owned)));
                    out.push(':');
                    self.value(inner, out);
                    self.place.leave();
                });
            }
            Node::Object(fields) => self.wrapper(fields, out),
            Node::List(elements) => {
                self.place.enter_list();
                each(out, '[', elements, ']', |inner, out| self.value(inner, out));
                self.place.leave();
            }
            Node::Text(text) => {
                let other = self.text(text);
                out.push_str(&quoted(&other));
            }
            Node::Bare(word @ ("true" | "false")) => out.push_str(word),
            Node::Bare(number) => {
                let other = self.number(number);
                out.push_str(&other);
            }
            Node::Null => out.push_str("null"),
        }
    }

    /// A name that is data.
    fn name(&mut self, name: &str) -> String {
        match self.style {
            Style::Shown => name.to_owned(),
            Style::Masked => masked(name),
            Style::Anonymised => self.masks.same(name),
        }
    }

    fn text(&mut self, text: &str) -> String {
        match self.style {
            Style::Shown => text.to_owned(),
            Style::Masked => masked(text),
            Style::Anonymised if text.is_empty() || self.survey.keeps(&self.place, text) => text.to_owned(),
            Style::Anonymised => {
                let (other, kind) =
                    self.masks.text_of_document(text, self.days, (self.row, self.place.path()));
                self.told(kind);
                other
            }
        }
    }

    fn told(&mut self, kind: Kind) {
        *self.kinds.entry(self.place.path().to_owned()).or_default().entry(kind).or_default() += 1;
    }

    /// A number of the same length, which every reader of the first can read.
    fn number(&mut self, number: &str) -> String {
        match self.style {
            Style::Shown => return number.to_owned(),
            Style::Masked => return masked_number(number),
            Style::Anonymised if self.survey.keeps(&self.place, number) => return number.to_owned(),
            Style::Anonymised => {}
        }
        if let Some(time) = number.parse().ok().filter(|time| is_epoch(self.place.name(), *time)) {
            return self.moved(time).to_string();
        }
        self.told(Kind::Code);
        let (mantissa, exponent) = number.find(['e', 'E']).map_or((number, ""), |at| number.split_at(at));
        within(number, &self.masks.same(mantissa), exponent)
    }

    /// An instant moved with the document, at another minute.
    fn moved(&mut self, milliseconds: i64) -> i64 {
        self.told(Kind::Date);
        let within = self.masks.below(HOUR, (self.row, self.place.path()));
        let hour = milliseconds.saturating_sub(milliseconds.rem_euclid(HOUR));
        hour.saturating_add(self.days * DAY + within)
    }

    /// A value of Extended JSON: what says of which type it is stays.
    fn wrapper(&mut self, fields: &[(String, &str)], out: &mut String) {
        each(out, '{', fields, '}', |(name, inner), out| {
            out.push_str(&quoted(name));
            out.push(':');
            match (name.as_str(), Node::of(inner)) {
                (_, None) => out.push_str("null"),
                ("$ref" | "$db" | "$options" | "options" | "$type" | "subType" | "i", Some(_))
                | ("$minKey" | "$maxKey" | "$undefined", Some(_)) => out.push_str(inner),
                (name, Some(Node::Text(text))) => {
                    let other = self.wrapped_text(name, &text);
                    out.push_str(&quoted(&other));
                }
                ("$date", Some(Node::Bare(time))) => {
                    let other = self.wrapped_text("$date", time);
                    out.push_str(&other);
                }
                ("t", Some(Node::Bare(seconds))) if self.style == Style::Anonymised => {
                    let moved =
                        seconds.parse::<u32>().ok().map(|one| self.moved(i64::from(one) * 1000) / 1000);
                    let moved = moved.filter(|one| u32::try_from(*one).is_ok());
                    out.push_str(&moved.map_or_else(|| seconds.to_owned(), |one| one.to_string()));
                }
                ("$date", Some(Node::Object(inner))) => {
                    each(out, '{', &inner, '}', |(name, inner), out| {
                        let time = match Node::of(inner) {
                            Some(Node::Text(time)) => self.wrapped_text("$date", &time),
                            _ => String::new(),
                        };
                        out.push_str(&format!("{}:{}", quoted(name), quoted(&time)));
                    });
                }
                (
                    "$binary" | "$timestamp" | "$regularExpression" | "$dbPointer",
                    Some(Node::Object(inner)),
                ) => {
                    self.wrapper(&inner, out);
                }
                _ => self.value(inner, out),
            }
        });
    }

    fn wrapped_text(&mut self, mark: &str, text: &str) -> String {
        match (mark, self.style) {
            (_, Style::Shown) => text.to_owned(),
            ("$numberInt" | "$numberLong" | "$numberDouble" | "$numberDecimal", style) => {
                let is_number =
                    text.starts_with(['-', '+', '.']) || text.starts_with(|c: char| c.is_ascii_digit());
                // Neither NaN nor the infinities have digits.
                if !is_number || !text.contains(|c: char| c.is_ascii_digit()) {
                    return text.to_owned();
                }
                match style {
                    Style::Masked => masked_number(text),
                    _ if mark == "$numberInt" => fit::<i32>(text, self.number(text)),
                    _ => self.number(text),
                }
            }
            (_, Style::Masked) => masked(text),
            ("$date", _) => match text.parse::<i64>() {
                Ok(time) => self.moved(time).to_string(),
                Err(_) => self.text(text),
            },
            ("base64" | "$binary", _) => {
                self.told(Kind::Code);
                self.masks.base64(text)
            }
            ("$oid" | "$uuid" | "$symbol", _) => {
                self.told(Kind::Code);
                self.masks.same(text)
            }
            _ => self.text(text),
        }
    }
}

fn each<T>(out: &mut String, open: char, all: &[T], close: char, mut write: impl FnMut(&T, &mut String)) {
    out.push(open);
    for (place, one) in all.iter().enumerate() {
        out.push_str(if place == 0 { "" } else { "," });
        write(one, out);
    }
    out.push(close);
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

/// Nines, but for the exponent.
fn masked_number(number: &str) -> String {
    let end = number.find(['e', 'E']).unwrap_or(number.len());
    let mantissa = number[..end].chars().map(|c| if c.is_ascii_digit() { '9' } else { c });
    mantissa.chain(number[end..].chars()).collect()
}

/// Other digits, as far as they stay within what the old number fits in: 64 bits, or a float.
fn within(old: &str, mantissa: &str, exponent: &str) -> String {
    let new = format!("{mantissa}{exponent}");
    let is_finite = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    if old.parse::<i64>().is_ok() {
        fit::<i64>(old, new)
    } else if old.parse::<u64>().is_ok() {
        fit::<u64>(old, new)
    } else if is_finite(old) && !is_finite(&new) {
        smaller(&new)
    } else {
        new
    }
}

fn fit<T: std::str::FromStr>(old: &str, new: String) -> String {
    if old.parse::<T>().is_ok() && new.parse::<T>().is_err() { smaller(&new) } else { new }
}

/// The number with 10 for its first two digits.
fn smaller(number: &str) -> String {
    let mut digits = 0;
    let small = number.chars().map(|c| {
        digits += u8::from(c.is_ascii_digit() && digits < 3);
        match digits {
            1 if c.is_ascii_digit() => '1',
            2 if c.is_ascii_digit() => '0',
            _ => c,
        }
    });
    small.collect()
}
