//! Where documents begin and end in JSON text: by structure alone, so that a broken one takes no other with it.
//!
//! A document is what stands from a `{` that is in no other to the `}` that closes it. White space, commas and the brackets
//! of an array around the documents mean nothing; anything else is a record of its own, and no document: an array in the array
//! to its end, other things up to the next `,`, `]` or `{` outside of strings, or their line's end. A document whose braces
//! do not close (a line break in a string, a closer of the wrong kind, an opener that cannot be there, the end of the file)
//! ends before the next line that begins with `{` as far from the margin as its own line, or with the array's `]`.

use anyhow::Result;

use super::json::DEPTH;
use super::window::{LONGEST, Window};

/// The next record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// The window begins with a `{`.
    Document,
    /// It begins with a `[` inside of the array.
    Array,
    /// So many bytes of something else.
    Other(usize),
    End,
}

/// How a structure ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    Closed(usize),
    Broken,
    Incomplete,
}

/// Goes from record to record.
pub(super) struct Frames {
    pub(super) window: Window,
    /// The line that the window begins in, from 1.
    pub(super) line: u64,
    /// White space at the beginning of that line.
    indent: usize,
    in_indent: bool,
    /// An array around the documents was opened and not closed.
    pub(super) in_array: bool,
    /// The line of the first broken record behind which others may have been passed with it.
    pub(super) lost: Option<u64>,
}

impl Frames {
    pub(super) fn new(window: Window) -> Self {
        Self { window, line: 1, indent: 0, in_indent: true, in_array: false, lost: None }
    }

    /// Passes what stands between records.
    pub(super) fn next(&mut self) -> Result<Start> {
        loop {
            let mut at = 0;
            for byte in self.window.bytes() {
                match byte {
                    b'\n' => (self.line, self.indent, self.in_indent) = (self.line + 1, 0, true),
                    b' ' | b'\t' => self.indent += usize::from(self.in_indent),
                    b'\r' => {}
                    b',' => self.in_indent = false,
                    b'[' if self.in_array => break,
                    b'[' | b']' => (self.in_indent, self.in_array) = (false, *byte == b'['),
                    _ => break,
                }
                at += 1;
            }
            self.window.pass(at);
            let first = self.window.bytes().first().copied();
            match first {
                Some(b'{') => return Ok(Start::Document),
                Some(b'[') => return Ok(Start::Array),
                Some(_) => return self.other().map(Start::Other),
                None if self.window.grow()? => {}
                None => return Ok(Start::End),
            }
        }
    }

    /// The length of what goes on here and is no document; of a very long one a part.
    fn other(&mut self) -> Result<usize> {
        let mut is_all = false;
        loop {
            let bytes = self.window.bytes();
            if let Some(length) = other(bytes, is_all || bytes.len() >= LONGEST) {
                return Ok(length);
            }
            is_all = !self.window.grow()?;
        }
    }

    /// Passes a record of a known length.
    pub(super) fn pass(&mut self, length: usize) {
        let lines = memchr::memchr_iter(b'\n', &self.window.bytes()[..length]).count();
        self.line += lines as u64;
        self.in_indent = false;
        self.window.pass(length);
    }

    /// Passes what begins with a brace or bracket, by its structure; tells how that ends.
    pub(super) fn pass_structure(&mut self) -> Result<Frame> {
        let frame = loop {
            match frame(self.window.bytes()) {
                Frame::Incomplete if self.window.bytes().len() >= LONGEST => break Frame::Broken,
                Frame::Incomplete if self.window.grow()? => {}
                frame => break frame,
            }
        };
        let line = self.line;
        let is_known = match frame {
            Frame::Closed(length) => {
                let is_known = !swallows(&self.window.bytes()[..length]);
                self.pass(length);
                is_known
            }
            Frame::Broken => self.pass_broken()?,
            // That the file ends in it says enough.
            Frame::Incomplete => {
                let in_array = self.in_array;
                self.pass_broken()?;
                self.in_array |= in_array && self.window.bytes().is_empty();
                true
            }
        };
        if !is_known {
            self.lost.get_or_insert(line);
        }
        Ok(frame)
    }

    /// Passes what does not close; tells whether it can be known that nothing else was passed with it.
    fn pass_broken(&mut self) -> Result<bool> {
        let a_line_each = self.in_indent && !self.in_array;
        let mut passed = Passed::default();
        loop {
            let Some(end) = memchr::memchr(b'\n', self.window.bytes()) else {
                let length = self.window.bytes().len();
                passed.add(self.window.bytes());
                self.window.pass(length);
                if !self.window.grow()? {
                    self.in_array &= !passed.closes_array();
                    return Ok(passed.is_one(a_line_each) && !passed.several_lines);
                }
                continue;
            };
            passed.add(&self.window.bytes()[..end]);
            passed.line_ends();
            self.window.pass(end + 1);
            self.line += 1;
            self.window.need(self.indent + 16)?;
            let line = self.window.bytes();
            if begins(line, self.indent) || self.in_array && ends_array(line, self.indent) {
                // The end of the array before was passed.
                self.in_array &= line.trim_ascii_start().first() != Some(&b'[');
                (self.indent, self.in_indent) = (0, true);
                return Ok(passed.is_one(a_line_each));
            }
        }
    }
}

/// What was passed with a broken document.
#[derive(Default)]
struct Passed {
    /// The last signs that could be between documents.
    last: Between,
    /// Whether another document seems to begin in its line; with a comma it may be one inside of it.
    another: bool,
    another_behind_comma: bool,
    line_ended: bool,
    several_lines: bool,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Between {
    #[default]
    Nothing,
    Closed,
    Comma,
    ArrayEnd,
}

impl Passed {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().filter(|byte| !byte.is_ascii_whitespace()) {
            self.several_lines |= self.line_ended;
            if *byte == b'{' && !self.line_ended {
                self.another |= self.last == Between::Closed;
                self.another_behind_comma |= self.last == Between::Comma;
            }
            self.last = match (byte, self.last) {
                (b'}', _) => Between::Closed,
                (b',', Between::Closed) => Between::Comma,
                (b']', Between::Closed) => Between::ArrayEnd,
                _ => Between::Nothing,
            };
        }
    }

    fn line_ends(&mut self) {
        self.line_ended = true;
    }

    fn closes_array(&self) -> bool {
        self.last == Between::ArrayEnd
    }

    fn is_one(&self, a_line_each: bool) -> bool {
        !self.another && (a_line_each || !self.another_behind_comma)
    }
}

/// Whether quotes that do not pair made documents parts of a broken one: a string ends where one begins.
fn swallows(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(quote) = memchr::memchr(b'"', rest) {
        rest = &rest[quote + 1..];
        let Some(Ok(length)) = end_of_string(rest) else { return false };
        let mut passed = Passed::default();
        passed.add(&rest[..length - 1]);
        if rest[..length - 1].ends_with(b"{") && (passed.another || passed.another_behind_comma) {
            return true;
        }
        rest = &rest[length..];
    }
    false
}

/// The length of what is no document; none where `bytes` are not all and it may go on.
fn other(bytes: &[u8], is_all: bool) -> Option<usize> {
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b',' | b']' | b'{' | b'\n' => return Some(at),
            b'"' => match element(&bytes[at + 1..], is_all) {
                Some(length) => at += length,
                None if is_all => {}
                None => return None,
            },
            _ => {}
        }
        at += 1;
    }
    is_all.then_some(at)
}

/// The length of a string's rest if it is a whole element, else 0: what is inside of quotes that do not pair is no string.
fn element(rest: &[u8], is_all: bool) -> Option<usize> {
    let Ok(length) = end_of_string(rest)? else { return Some(0) };
    let behind = rest[length..].iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
    match behind {
        Some(b',' | b']' | b'\n') => Some(length),
        Some(_) => Some(0),
        None => is_all.then_some(length),
    }
}

/// Whether a line is indented no further and begins with the bracket that closes the array.
fn ends_array(line: &[u8], indent: usize) -> bool {
    let margin = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    margin <= indent && line.get(margin) == Some(&b']')
}

/// Whether a line is indented so far and then begins a document, perhaps after a comma or a bracket.
fn begins(line: &[u8], indent: usize) -> bool {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let margin = line.iter().take_while(|byte| blank(byte)).count();
    let rest = &line[margin..];
    let rest = if matches!(rest.first(), Some(b',' | b'[')) { &rest[1..] } else { rest };
    margin == indent && rest.iter().find(|byte| !blank(byte)) == Some(&b'{')
}

/// Follows braces, brackets and strings from the `{` at the start of `bytes`.
pub(super) fn frame(bytes: &[u8]) -> Frame {
    // The closers that are waited for.
    let mut open: Vec<u8> = Vec::new();
    // Whether a container may begin here: after a colon in an object, or after a comma or the bracket in an array.
    let mut may_open = true;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => match end_of_string(&bytes[at + 1..]) {
                Some(Ok(length)) => {
                    at += length;
                    may_open = false;
                }
                Some(Err(())) => return Frame::Broken,
                None => return Frame::Incomplete,
            },
            byte @ (b'{' | b'[') => {
                if !may_open || open.len() >= DEPTH {
                    return Frame::Broken;
                }
                open.push(byte + 2);
                may_open = byte == b'[';
            }
            byte @ (b'}' | b']') => {
                if open.pop() != Some(byte) {
                    return Frame::Broken;
                }
                if open.is_empty() {
                    return Frame::Closed(at + 1);
                }
                may_open = false;
            }
            b':' => may_open = open.last() == Some(&b'}'),
            b',' => may_open = open.last() == Some(&b']'),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => may_open = false,
        }
        at += 1;
    }
    Frame::Incomplete
}

/// The length of a string's rest with its quote; an error at a line break.
fn end_of_string(rest: &[u8]) -> Option<Result<usize, ()>> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr3(b'"', b'\\', b'\n', &rest[from..])?;
        match rest[at] {
            b'"' => return Some(Ok(at + 1)),
            b'\n' => return Some(Err(())),
            // A line break may stand behind the backslash too.
            _ if rest.get(at + 1) == Some(&b'\n') => return Some(Err(())),
            _ => from = (at + 2).min(rest.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::json::{Parsed, parse};
    use super::*;

    #[test]
    fn structure_tells_where_a_document_ends() {
        for (text, expected) in [
            (r#"{"a":"}\"{"} {"b":1}"#, Frame::Closed(12)),
            (r#"{"a":[{"b":1},{"c":[2,[3]]}]}"#, Frame::Closed(29)),
            (r"{a: tru, 7}", Frame::Closed(11)),
            ("{\"a\":\"x\n\"}", Frame::Broken),
            (r#"{"a":[1}"#, Frame::Broken),
            ("{\"a\": 1,\n{\"b\": 2}", Frame::Broken),
            ("{\"a\": [1,\n{\"b\": 2}\n{\"c\"", Frame::Broken),
            ("{\"a\": [1,\n{\"b\": 2}", Frame::Incomplete),
        ] {
            assert_eq!(frame(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_json_has_the_same_end_by_structure(text in r#"\{("a":("b"|1|\[\]|\{\}|null|\[1,\{"c":"\\""\}\])(,|\}|\n| )?){0,6}\}"#) {
            if let Ok(end) = parse(text.as_bytes(), &mut Parsed::default()) {
                prop_assert_eq!(frame(text.as_bytes()), Frame::Closed(end));
            }
        }
    }
}
