//! Ranges and multiranges: `src/backend/utils/adt/{rangetypes,multirangetypes}.c`.

use std::cmp::Ordering;

use super::digest::set_length;
use super::kind::Kind;
use super::parser::{Parser, is_space};
use super::{LiveOids, Refusal, composite, float, numeric, temporal};

const EMPTY: u8 = 0x01;
const LOWER_INCLUSIVE: u8 = 0x02;
const UPPER_INCLUSIVE: u8 = 0x04;
const LOWER_INFINITE: u8 = 0x08;
const UPPER_INFINITE: u8 = 0x10;

/// A range over one subtype.
#[derive(Debug)]
pub(super) struct Range {
    pub subtype: Kind,
    /// Bounds are brought to `[lower,upper)` by counting (`int4range_canonical` and its like).
    pub discrete: bool,
}

/// A bound's value in the subtype's canonical text, and by what it is ordered.
#[derive(Debug, Clone, PartialEq)]
struct Point {
    text: String,
    order: Order,
}

#[derive(Debug, Clone, PartialEq)]
enum Order {
    Whole(i64),
    Float(f64),
    Numeric,
}

#[derive(Debug, Clone, PartialEq)]
struct Bound {
    /// Nothing is infinity.
    point: Option<Point>,
    inclusive: bool,
}

/// Lower and upper bound; nothing where it is empty.
type Span = Option<(Bound, Bound)>;

impl Range {
    pub(super) fn rewrite(&self, text: &str, out: &mut String) -> Result<bool, Refusal> {
        let (span, lossy) = self.parse_whole(text)?;
        write(&span, out);
        Ok(lossy)
    }

    pub(super) fn send(&self, text: &str, oids: &LiveOids, out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.send_span(&self.parse_whole(text)?.0, oids, out)
    }

    pub(super) fn rewrite_many(&self, text: &str, out: &mut String) -> Result<bool, Refusal> {
        let (spans, lossy) = self.parse_many(text)?;
        out.push('{');
        for (index, span) in spans.into_iter().enumerate() {
            out.push_str(if index > 0 { "," } else { "" });
            write(&Some(span), out);
        }
        out.push('}');
        Ok(lossy)
    }

    /// Range count; length and body of each (`multirange_send`).
    pub(super) fn send_many(&self, text: &str, oids: &LiveOids, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let (spans, _) = self.parse_many(text)?;
        out.extend_from_slice(&(spans.len() as i32).to_be_bytes());
        for span in spans {
            let start = out.len();
            out.extend_from_slice(&[0; 4]);
            self.send_span(&Some(span), oids, out)?;
            set_length(out, start)?;
        }
        Ok(())
    }

    /// Flags, then length and body of each finite bound (`range_send`).
    fn send_span(&self, span: &Span, oids: &LiveOids, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let Some((lower, upper)) = span else {
            out.push(EMPTY);
            return Ok(());
        };
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        out.push(
            flag(lower.inclusive, LOWER_INCLUSIVE)
                | flag(upper.inclusive, UPPER_INCLUSIVE)
                | flag(lower.point.is_none(), LOWER_INFINITE)
                | flag(upper.point.is_none(), UPPER_INFINITE),
        );
        for point in [lower, upper].into_iter().filter_map(|bound| bound.point.as_ref()) {
            let start = out.len();
            out.extend_from_slice(&[0; 4]);
            self.subtype.send(&point.text, oids, out)?;
            set_length(out, start)?;
        }
        Ok(())
    }

    fn parse_whole(&self, text: &str) -> Result<(Span, bool), Refusal> {
        let mut parser = Parser::new(text);
        let outcome = self.parse(&mut parser)?;
        parser.skip_spaces();
        if parser.at_end() { Ok(outcome) } else { Err(Refusal::InvalidSyntax) }
    }

    /// Ranges in braces, sorted and joined where they meet (`multirange_canonicalize`).
    fn parse_many(&self, text: &str) -> Result<(Vec<(Bound, Bound)>, bool), Refusal> {
        let mut parser = Parser::new(text);
        parser.skip_spaces();
        if !parser.take(b'{') {
            return Err(Refusal::InvalidSyntax);
        }
        parser.skip_spaces();
        let (mut spans, mut lossy) = (Vec::new(), false);
        if !parser.take(b'}') {
            loop {
                parser.skip_spaces();
                let (span, lost) = self.parse(&mut parser)?;
                spans.extend(span);
                lossy |= lost;
                parser.skip_spaces();
                if parser.take(b'}') {
                    break;
                }
                if !parser.take(b',') {
                    return Err(Refusal::InvalidSyntax);
                }
            }
        }
        parser.skip_spaces();
        if parser.at_end() { Ok((joined(spans), lossy)) } else { Err(Refusal::InvalidSyntax) }
    }

    fn parse(&self, parser: &mut Parser<'_>) -> Result<(Span, bool), Refusal> {
        parser.skip_spaces();
        if parser.take_word("empty") {
            return Ok((None, false));
        }
        let lower_inclusive = parser.take(b'[');
        if !lower_inclusive && !parser.take(b'(') {
            return Err(Refusal::InvalidSyntax);
        }
        let (lower, lossy_lower) = self.bound(parser, lower_inclusive)?;
        if !parser.take(b',') {
            return Err(Refusal::InvalidSyntax);
        }
        let (mut upper, lossy_upper) = self.bound(parser, false)?;
        let upper_inclusive = parser.take(b']');
        if !upper_inclusive && !parser.take(b')') {
            return Err(Refusal::InvalidSyntax);
        }
        upper.inclusive = upper_inclusive && upper.point.is_some();
        Ok((self.canonical(lower, upper)?, lossy_lower || lossy_upper))
    }

    /// An unquoted bound of no characters at all is infinite (`range_parse_bound`).
    fn bound(&self, parser: &mut Parser<'_>, inclusive: bool) -> Result<(Bound, bool), Refusal> {
        if matches!(parser.peek(), Some(b',' | b')' | b']')) {
            return Ok((Bound { point: None, inclusive: false }, false));
        }
        let mut text = String::new();
        let lossy = self.subtype.rewrite(&raw_bound(parser)?, &mut text)?;
        let order = self.order(&text)?;
        Ok((Bound { point: Some(Point { text, order }), inclusive }, lossy))
    }

    fn order(&self, text: &str) -> Result<Order, Refusal> {
        Ok(match &self.subtype {
            Kind::Numeric(_) => Order::Numeric,
            Kind::Float4 | Kind::Float8 => Order::Float(float::parse8(text)?),
            Kind::Date => Order::Whole(i64::from(temporal::parse_date(text)?.0)),
            Kind::Time(_) => Order::Whole(temporal::parse_time(text, None)?.0),
            Kind::Timestamp(_) => Order::Whole(temporal::parse_timestamp(text, None)?.0),
            Kind::TimestampTz(_) => Order::Whole(temporal::parse_timestamptz(text, None)?.0),
            _ => Order::Whole(super::integer::parse(text, i64::MIN, i64::MAX)?),
        })
    }

    fn canonical(&self, mut lower: Bound, mut upper: Bound) -> Result<Span, Refusal> {
        if is_empty(&lower, &upper)? {
            return Ok(None);
        }
        if self.discrete {
            if !lower.inclusive && self.next(&mut lower)? {
                lower.inclusive = true;
            }
            if upper.inclusive && self.next(&mut upper)? {
                upper.inclusive = false;
            }
            if is_empty(&lower, &upper)? {
                return Ok(None);
            }
        }
        Ok(Some((lower, upper)))
    }

    /// Moves a finite bound one up, and tells whether it did.
    fn next(&self, bound: &mut Bound) -> Result<bool, Refusal> {
        let Some(Point { text, order: Order::Whole(value) }) = &mut bound.point else { return Ok(false) };
        if matches!(self.subtype, Kind::Date) && text.ends_with("infinity") {
            return Ok(false);
        }
        let next = value.checked_add(1).ok_or(Refusal::OutOfRange)?;
        let mut moved = String::new();
        if matches!(self.subtype, Kind::Date) {
            temporal::write_date(i32::try_from(next).map_err(|_| Refusal::OutOfRange)?, &mut moved);
        } else {
            super::integer::write(next, &mut moved);
        }
        // What the subtype does not take is beyond its range.
        text.clear();
        self.subtype.rewrite(&moved, text).map_err(|_| Refusal::OutOfRange)?;
        *value = next;
        Ok(true)
    }
}

/// The characters of a bound, quotes and backslashes taken off.
fn raw_bound(parser: &mut Parser<'_>) -> Result<String, Refusal> {
    let mut value = String::new();
    let mut quoted = false;
    loop {
        let Some(character) = parser.rest().chars().next() else { return Err(Refusal::InvalidSyntax) };
        if !quoted && matches!(character, ',' | ')' | ']' | '(' | '[') {
            return if matches!(character, '(' | '[') { Err(Refusal::InvalidSyntax) } else { Ok(value) };
        }
        parser.advance(character.len_utf8());
        match character {
            '\\' => {
                let escaped = parser.rest().chars().next().ok_or(Refusal::InvalidSyntax)?;
                parser.advance(escaped.len_utf8());
                value.push(escaped);
            }
            '"' if quoted && parser.take(b'"') => value.push('"'),
            '"' => quoted = !quoted,
            other => value.push(other),
        }
    }
}

fn compare(left: &Point, right: &Point) -> Ordering {
    match (&left.order, &right.order) {
        (Order::Whole(left), Order::Whole(right)) => left.cmp(right),
        (Order::Float(left), Order::Float(right)) => {
            left.partial_cmp(right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
        }
        _ => numeric::compare(&left.text, &right.text),
    }
}

/// Whether no value lies between; a lower bound above the upper is an error (`range_serialize`).
fn is_empty(lower: &Bound, upper: &Bound) -> Result<bool, Refusal> {
    let (Some(from), Some(to)) = (&lower.point, &upper.point) else { return Ok(false) };
    match compare(from, to) {
        Ordering::Greater => Err(Refusal::InvertedRange),
        Ordering::Equal => Ok(!(lower.inclusive && upper.inclusive)),
        Ordering::Less => Ok(false),
    }
}

/// Orders lower bounds: infinity first, at one value the inclusive one first (`range_cmp_bounds`).
fn compare_lower(left: &Bound, right: &Bound) -> Ordering {
    match (&left.point, &right.point) {
        (None, None) => Ordering::Equal,
        (None, _) => Ordering::Less,
        (_, None) => Ordering::Greater,
        (Some(a), Some(b)) => compare(a, b).then(right.inclusive.cmp(&left.inclusive)),
    }
}

/// Orders upper bounds: infinity last, at one value the inclusive one last.
fn compare_upper(left: &Bound, right: &Bound) -> Ordering {
    match (&left.point, &right.point) {
        (None, None) => Ordering::Equal,
        (None, _) => Ordering::Greater,
        (_, None) => Ordering::Less,
        (Some(a), Some(b)) => compare(a, b).then(left.inclusive.cmp(&right.inclusive)),
    }
}

/// Whether a range that ends at `upper` overlaps or touches one that begins, not before it, at `lower`.
fn meets(upper: &Bound, lower: &Bound) -> bool {
    let (Some(end), Some(begin)) = (&upper.point, &lower.point) else { return true };
    match compare(begin, end) {
        Ordering::Less => true,
        Ordering::Equal => upper.inclusive || lower.inclusive,
        Ordering::Greater => false,
    }
}

fn joined(mut spans: Vec<(Bound, Bound)>) -> Vec<(Bound, Bound)> {
    spans.sort_by(|left, right| {
        compare_lower(&left.0, &right.0).then_with(|| compare_upper(&left.1, &right.1))
    });
    let mut joined: Vec<(Bound, Bound)> = Vec::with_capacity(spans.len());
    for (lower, upper) in spans {
        match joined.last_mut() {
            Some(last) if meets(&last.1, &lower) => {
                if compare_upper(&upper, &last.1).is_gt() {
                    last.1 = upper;
                }
            }
            _ => joined.push((lower, upper)),
        }
    }
    joined
}

/// `range_deparse`.
fn write(span: &Span, out: &mut String) {
    let Some((lower, upper)) = span else { return out.push_str("empty") };
    out.push(if lower.inclusive { '[' } else { '(' });
    if let Some(point) = &lower.point {
        write_bound(&point.text, out);
    }
    out.push(',');
    if let Some(point) = &upper.point {
        write_bound(&point.text, out);
    }
    out.push(if upper.inclusive { ']' } else { ')' });
}

fn write_bound(text: &str, out: &mut String) {
    let special =
        |byte: u8| matches!(byte, b'"' | b'\\' | b'(' | b')' | b'[' | b']' | b',') || is_space(byte);
    if !text.is_empty() && !text.bytes().any(special) {
        return out.push_str(text);
    }
    composite::write_quoted(text, out);
}
