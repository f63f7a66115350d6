//! Arrays: `array_in`, `array_out`, `array_send` of `src/backend/utils/adt/arrayfuncs.c`.

use std::borrow::Cow;

use super::digest::set_length;
use super::kind::{Element, Kind};
use super::parser::{Parser, is_space};
use super::{LiveOids, Refusal};

/// `MAXDIM`.
const MOST_DIMENSIONS: usize = 6;
/// `MaxArraySize`: elements of eight bytes in just under 1 GB.
const MOST_ITEMS: i64 = 134_217_727;
const TEXT: u32 = 25;

/// An array's element type, and the character between its elements (`;` for box, else `,`).
#[derive(Debug)]
pub(super) struct Array {
    pub element: Element,
    pub delimiter: u8,
}

/// An array literal, its elements unquoted but not read.
struct Literal<'t> {
    dimensions: Vec<Dimension>,
    items: Vec<Option<Cow<'t, str>>>,
}

#[derive(Debug, Clone, Copy)]
struct Dimension {
    lower: i32,
    length: i32,
}

impl Array {
    pub(super) fn rewrite(&self, text: &str, out: &mut String) -> Result<bool, Refusal> {
        let literal = parse(text, self.delimiter)?;
        let mut lossy = false;
        let mut values = Vec::with_capacity(literal.items.len());
        for item in &literal.items {
            let value = match item {
                None => self.element.check_null().map(|()| None)?,
                Some(item) => {
                    let mut value = String::with_capacity(item.len());
                    lossy |= self.element.kind.rewrite(item, &mut value)?;
                    Some(value)
                }
            };
            values.push(value);
        }
        write(&literal.dimensions, &values, self.delimiter, out);
        Ok(lossy)
    }

    pub(super) fn send(&self, text: &str, oids: &LiveOids, out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.send_typed(text, self.element.live_oid(oids)?, oids, out)
    }

    fn send_typed(&self, text: &str, oid: u32, oids: &LiveOids, out: &mut Vec<u8>) -> Result<(), Refusal> {
        send(&parse(text, self.delimiter)?, oid, out, |item, out| match item {
            None => self.element.check_null(),
            Some(item) => self.element.kind.send(item, oids, out),
        })
    }
}

/// Appends the body of the array as one whose elements have another type of the same binary form.
pub(super) fn send_as(kind: &Kind, element_oid: u32, text: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let Kind::Array(array) = kind else { return Err(Refusal::UnknownType) };
    array.send_typed(text, element_oid, &LiveOids::default(), out)
}

/// Appends the body of the same array as a `text[]`.
pub(super) fn send_as_texts(kind: &Kind, text: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let Kind::Array(array) = kind else { return Err(Refusal::UnknownType) };
    send(&parse(text, array.delimiter)?, TEXT, out, |item, out| {
        out.extend_from_slice(item.unwrap_or_default().as_bytes());
        Ok(())
    })
}

/// Dimensions, whether there are NULLs, the element's OID, each dimension's length and lower bound, the elements.
fn send(
    literal: &Literal<'_>,
    element_oid: u32,
    out: &mut Vec<u8>,
    mut body: impl FnMut(Option<&str>, &mut Vec<u8>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let has_null = literal.items.iter().any(Option::is_none);
    for word in [literal.dimensions.len() as u32, u32::from(has_null), element_oid] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    for dimension in &literal.dimensions {
        out.extend_from_slice(&dimension.length.to_be_bytes());
        out.extend_from_slice(&dimension.lower.to_be_bytes());
    }
    for item in &literal.items {
        let start = out.len();
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        body(item.as_deref(), out)?;
        if item.is_some() {
            set_length(out, start)?;
        }
    }
    Ok(())
}

fn parse(text: &str, delimiter: u8) -> Result<Literal<'_>, Refusal> {
    let mut parser = Parser::new(text);
    parser.skip_spaces();
    let declared = parse_dimensions(&mut parser)?;
    let mut reader = Reader { parser, delimiter, lengths: Vec::new(), deepest: None, items: Vec::new() };
    reader.level(0)?;
    reader.parser.skip_spaces();
    if !reader.parser.at_end() {
        return Err(Refusal::InvalidSyntax);
    }
    let Reader { lengths, items, .. } = reader;
    if items.is_empty() {
        // PostgreSQL refuses an empty array where the text declares dimensions.
        let plain = declared.is_empty() && lengths.len() == 1;
        return if plain {
            Ok(Literal { dimensions: Vec::new(), items })
        } else {
            Err(Refusal::InvalidSyntax)
        };
    }
    let dimensions = match declared.as_slice() {
        [] => lengths.iter().map(|length| Dimension { lower: 1, length: *length }).collect(),
        declared if declared.iter().map(|dimension| dimension.length).eq(lengths.iter().copied()) => {
            declared.to_vec()
        }
        _ => return Err(Refusal::InvalidSyntax),
    };
    Ok(Literal { dimensions, items })
}

/// `[1:3][-2:4]=` before the braces; one number alone is an upper bound.
fn parse_dimensions(parser: &mut Parser<'_>) -> Result<Vec<Dimension>, Refusal> {
    let mut dimensions = Vec::new();
    while parser.take(b'[') {
        if dimensions.len() == MOST_DIMENSIONS {
            return Err(Refusal::OutOfRange);
        }
        let first = parse_bound(parser)?;
        let (lower, upper) = if parser.take(b':') { (first, parse_bound(parser)?) } else { (1, first) };
        if !parser.take(b']') {
            return Err(Refusal::InvalidSyntax);
        }
        let length = i64::from(upper) - i64::from(lower) + 1;
        // An upper bound at the limit cannot be counted past (`ArrayCheckBounds`).
        if !(1..=MOST_ITEMS).contains(&length) || upper == i32::MAX {
            return Err(Refusal::OutOfRange);
        }
        dimensions.push(Dimension { lower, length: length as i32 });
        parser.skip_spaces();
    }
    if !dimensions.is_empty() {
        if !parser.take(b'=') {
            return Err(Refusal::InvalidSyntax);
        }
        parser.skip_spaces();
    }
    Ok(dimensions)
}

fn parse_bound(parser: &mut Parser<'_>) -> Result<i32, Refusal> {
    let negative = parser.peek() == Some(b'-');
    if negative || parser.peek() == Some(b'+') {
        parser.advance(1);
    }
    let digits = parser.digits();
    if digits.is_empty() {
        return Err(Refusal::InvalidSyntax);
    }
    let value: i64 = digits.parse().map_err(|_| Refusal::OutOfRange)?;
    i32::try_from(if negative { -value } else { value }).map_err(|_| Refusal::OutOfRange)
}

struct Reader<'t> {
    parser: Parser<'t>,
    delimiter: u8,
    /// Items at each level of braces, as the first list of that level had them.
    lengths: Vec<i32>,
    /// The level that holds elements rather than braces.
    deepest: Option<usize>,
    items: Vec<Option<Cow<'t, str>>>,
}

impl<'t> Reader<'t> {
    fn level(&mut self, level: usize) -> Result<(), Refusal> {
        if level == MOST_DIMENSIONS {
            return Err(Refusal::OutOfRange);
        }
        if !self.parser.take(b'{') {
            return Err(Refusal::InvalidSyntax);
        }
        let first_of_level = self.lengths.len() == level;
        if first_of_level {
            self.lengths.push(0);
        }
        let mut count = 0;
        self.parser.skip_spaces();
        if !self.parser.take(b'}') {
            loop {
                self.item(level)?;
                count += 1;
                self.parser.skip_spaces();
                if self.parser.take(b'}') {
                    break;
                }
                if !self.parser.take(self.delimiter) {
                    return Err(Refusal::InvalidSyntax);
                }
                self.parser.skip_spaces();
            }
        }
        if first_of_level {
            self.lengths[level] = count;
        }
        if self.lengths[level] == count { Ok(()) } else { Err(Refusal::InvalidSyntax) }
    }

    fn item(&mut self, level: usize) -> Result<(), Refusal> {
        if self.parser.peek() == Some(b'{') {
            return if self.deepest == Some(level) {
                Err(Refusal::InvalidSyntax)
            } else {
                self.level(level + 1)
            };
        }
        if *self.deepest.get_or_insert(level) != level || self.lengths.len() > level + 1 {
            return Err(Refusal::InvalidSyntax);
        }
        let item = if self.parser.take(b'"') { Some(self.quoted()?) } else { self.unquoted()? };
        self.items.push(item);
        if self.items.len() as i64 > MOST_ITEMS { Err(Refusal::TooLong) } else { Ok(()) }
    }

    fn quoted(&mut self) -> Result<Cow<'t, str>, Refusal> {
        let rest = self.parser.rest();
        let mut value: Option<String> = None;
        let mut start = 0;
        loop {
            let at = start
                + memchr::memchr2(b'"', b'\\', &rest.as_bytes()[start..]).ok_or(Refusal::InvalidSyntax)?;
            if rest.as_bytes()[at] == b'"' {
                self.parser.advance(at + 1);
                return Ok(match value {
                    None => Cow::Borrowed(&rest[..at]),
                    Some(mut value) => {
                        value.push_str(&rest[start..at]);
                        Cow::Owned(value)
                    }
                });
            }
            let value = value.get_or_insert_default();
            value.push_str(&rest[start..at]);
            let escaped = rest[at + 1..].chars().next().ok_or(Refusal::InvalidSyntax)?;
            value.push(escaped);
            start = at + 1 + escaped.len_utf8();
        }
    }

    /// White space at the end is no part of it, unless behind a backslash.
    fn unquoted(&mut self) -> Result<Option<Cow<'t, str>>, Refusal> {
        let mut value = String::new();
        let mut kept = 0;
        let mut escaped = false;
        let mut rest = self.parser.rest().chars();
        loop {
            let left = rest.as_str().len();
            match rest.next().ok_or(Refusal::InvalidSyntax)? {
                '\\' => {
                    value.push(rest.next().ok_or(Refusal::InvalidSyntax)?);
                    kept = value.len();
                    escaped = true;
                }
                '"' | '{' => return Err(Refusal::InvalidSyntax),
                end if end == '}' || end == char::from(self.delimiter) => {
                    self.parser.advance(self.parser.rest().len() - left);
                    break;
                }
                other => {
                    value.push(other);
                    if !(other.is_ascii() && is_space(other as u8)) {
                        kept = value.len();
                    }
                }
            }
        }
        value.truncate(kept);
        match value.as_str() {
            "" => Err(Refusal::InvalidSyntax),
            word if !escaped && word.eq_ignore_ascii_case("null") => Ok(None),
            _ => Ok(Some(Cow::Owned(value))),
        }
    }
}

fn write(dimensions: &[Dimension], values: &[Option<String>], delimiter: u8, out: &mut String) {
    if values.is_empty() {
        return out.push_str("{}");
    }
    if dimensions.iter().any(|dimension| dimension.lower != 1) {
        for Dimension { lower, length } in dimensions {
            let upper = i64::from(*lower) + i64::from(*length) - 1;
            out.push_str(&format!("[{lower}:{upper}]"));
        }
        out.push('=');
    }
    write_level(dimensions, values, delimiter, out);
}

fn write_level(dimensions: &[Dimension], values: &[Option<String>], delimiter: u8, out: &mut String) {
    out.push('{');
    let each = values.len() / dimensions[0].length as usize;
    for (index, part) in values.chunks(each).enumerate() {
        if index > 0 {
            out.push(char::from(delimiter));
        }
        match dimensions {
            [_] => write_item(part[0].as_deref(), delimiter, out),
            [_, inner @ ..] => write_level(inner, part, delimiter, out),
            [] => {}
        }
    }
    out.push('}');
}

fn write_item(value: Option<&str>, delimiter: u8, out: &mut String) {
    let Some(value) = value else { return out.push_str("NULL") };
    let special =
        |byte: u8| matches!(byte, b'"' | b'\\' | b'{' | b'}') || byte == delimiter || is_space(byte);
    if !value.is_empty() && !value.eq_ignore_ascii_case("null") && !value.bytes().any(special) {
        return out.push_str(value);
    }
    out.push('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

/// The OID of a core type's array type, by the element's (`typarray` in `src/include/catalog/pg_type.dat`).
pub(super) fn core_array_oid(element: u32) -> Option<u32> {
    const OIDS: &[(u32, u32)] = &[
        (16, 1000),
        (17, 1001),
        (18, 1002),
        (19, 1003),
        (20, 1016),
        (21, 1005),
        (23, 1007),
        (25, 1009),
        (26, 1028),
        (114, 199),
        (142, 143),
        (600, 1017),
        (601, 1018),
        (602, 1019),
        (603, 1020),
        (604, 1027),
        (628, 629),
        (650, 651),
        (700, 1021),
        (701, 1022),
        (718, 719),
        (774, 775),
        (829, 1040),
        (869, 1041),
        (1042, 1014),
        (1043, 1015),
        (1082, 1182),
        (1083, 1183),
        (1114, 1115),
        (1184, 1185),
        (1186, 1187),
        (1266, 1270),
        (1560, 1561),
        (1562, 1563),
        (1700, 1231),
        (2950, 2951),
        (3220, 3221),
        (3614, 3643),
        (3615, 3645),
        (3802, 3807),
        (3904, 3905),
        (3906, 3907),
        (3908, 3909),
        (3910, 3911),
        (3912, 3913),
        (3926, 3927),
        (4072, 4073),
        (4451, 6150),
        (4532, 6151),
        (4533, 6152),
        (4534, 6153),
        (4535, 6155),
        (4536, 6157),
        (5069, 271),
    ];
    OIDS.iter().find(|(oid, _)| *oid == element).map(|(_, array)| *array)
}
