//! Where documents begin and end in JSON text: by structure alone, so that a broken one takes no other with it.
//!
//! A document is what stands from a `{` that is in no other to the `}` that closes it. White space, commas and the brackets
//! of an array around the documents mean nothing; anything else is a record of its own up to the end of its line, and no
//! document. One whose braces do not close (a line break in a string, a closer of the wrong kind, an opener that cannot be
//! there, the end of the file) ends before the next line that begins with `{` as far from the margin as its own line.

use anyhow::Result;

use super::json::DEPTH;
use super::window::{LONGEST, Window};

/// The next record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// The window begins with a `{`.
    Document,
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
    /// Brackets around the documents that were opened and not closed.
    pub(super) brackets: i64,
}

impl Frames {
    pub(super) fn new(window: Window) -> Self {
        Self { window, line: 1, indent: 0, in_indent: true, brackets: 0 }
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
                    b'[' | b']' => {
                        self.in_indent = false;
                        self.brackets += if *byte == b'[' { 1 } else { -1 };
                    }
                    _ => break,
                }
                at += 1;
            }
            self.window.pass(at);
            let first = self.window.bytes().first().copied();
            match first {
                Some(b'{') => return Ok(Start::Document),
                Some(_) => return self.other().map(Start::Other),
                None if self.window.grow()? => {}
                None => return Ok(Start::End),
            }
        }
    }

    /// The length of the line that goes on here; of a very long one a part.
    fn other(&mut self) -> Result<usize> {
        loop {
            let bytes = self.window.bytes();
            let end = memchr::memchr(b'\n', bytes);
            if let Some(end) = end.or((bytes.len() >= LONGEST).then_some(bytes.len())) {
                return Ok(end);
            }
            if !self.window.grow()? {
                return Ok(self.window.bytes().len());
            }
        }
    }

    /// Passes a record of a known length.
    pub(super) fn pass(&mut self, length: usize) {
        let lines = memchr::memchr_iter(b'\n', &self.window.bytes()[..length]).count();
        self.line += lines as u64;
        self.in_indent = false;
        self.window.pass(length);
    }

    /// The length of the document here, by its structure; none where it does not close.
    pub(super) fn length(&mut self) -> Result<Option<usize>> {
        loop {
            match frame(self.window.bytes()) {
                Frame::Closed(length) => return Ok(Some(length)),
                Frame::Broken => return Ok(None),
                Frame::Incomplete if self.window.bytes().len() >= LONGEST || !self.window.grow()? => {
                    return Ok(None);
                }
                Frame::Incomplete => {}
            }
        }
    }

    /// Passes a document that does not close.
    pub(super) fn pass_broken(&mut self) -> Result<()> {
        loop {
            let Some(end) = memchr::memchr(b'\n', self.window.bytes()) else {
                let length = self.window.bytes().len();
                self.window.pass(length);
                if !self.window.grow()? {
                    return Ok(());
                }
                continue;
            };
            self.window.pass(end + 1);
            self.line += 1;
            self.window.need(self.indent + 16)?;
            if begins(self.window.bytes(), self.indent) {
                (self.indent, self.in_indent) = (0, true);
                return Ok(());
            }
        }
    }
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
