//! `json`: kept as written, only checked (`src/common/jsonapi.c`). Its escapes are looked at, not read: `\u0000` passes.

use super::Refusal;

/// Nesting beyond this is refused. PostgreSQL's own limit is its stack: some 6,000 levels by default.
pub(super) const MOST_LEVELS: usize = 1_000;

pub(super) fn check(text: &str) -> Result<(), Refusal> {
    let mut scanner = Scanner::new(text);
    scanner.skip_spaces();
    check_value(&mut scanner, 0)?;
    scanner.skip_spaces();
    if scanner.at_end() { Ok(()) } else { Err(Refusal::InvalidJson) }
}

fn check_value(scanner: &mut Scanner<'_>, level: usize) -> Result<(), Refusal> {
    if level > MOST_LEVELS {
        return Err(Refusal::TooLong);
    }
    match scanner.peek() {
        Some(b'{') => check_members(scanner, b'}', |scanner| {
            scanner.string()?;
            scanner.skip_spaces();
            scanner.expect(b':')?;
            scanner.skip_spaces();
            check_value(scanner, level + 1)
        }),
        Some(b'[') => check_members(scanner, b']', |scanner| check_value(scanner, level + 1)),
        Some(b'"') => scanner.string().map(|_| ()),
        Some(b'-' | b'0'..=b'9') => scanner.number().map(|_| ()),
        _ => scanner.word().map(|_| ()),
    }
}

/// Reads what stands between an opening bracket and its `close`, separated by commas.
pub(super) fn check_members<'t>(
    scanner: &mut Scanner<'t>,
    close: u8,
    mut member: impl FnMut(&mut Scanner<'t>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    scanner.position += 1;
    scanner.skip_spaces();
    if scanner.take(close) {
        return Ok(());
    }
    loop {
        scanner.skip_spaces();
        member(scanner)?;
        scanner.skip_spaces();
        if scanner.take(close) {
            return Ok(());
        }
        scanner.expect(b',')?;
    }
}

/// A position in a JSON text.
pub(super) struct Scanner<'t> {
    text: &'t str,
    pub(super) position: usize,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, position: 0 }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    pub(super) fn at_end(&self) -> bool {
        self.position == self.text.len()
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Refusal> {
        if self.take(byte) { Ok(()) } else { Err(Refusal::InvalidJson) }
    }

    pub(super) fn skip_spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    /// Steps over a string and gives what is between its quotes, escapes unread but well formed.
    pub(super) fn string(&mut self) -> Result<&'t str, Refusal> {
        self.expect(b'"')?;
        let start = self.position;
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.position) {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(&self.text[start..self.position - 1]);
                }
                Some(b'\\') => self.position += escape_length(&bytes[self.position..])?,
                Some(0x20..) => self.position += 1,
                _ => return Err(Refusal::InvalidJson),
            }
        }
    }

    /// Steps over `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`.
    pub(super) fn number(&mut self) -> Result<&'t str, Refusal> {
        let start = self.position;
        self.take(b'-');
        if !self.take(b'0') {
            self.some_digits()?;
        }
        if self.take(b'.') {
            self.some_digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.some_digits()?;
        }
        match self.peek() {
            Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 => {
                Err(Refusal::InvalidJson)
            }
            _ => Ok(&self.text[start..self.position]),
        }
    }

    fn some_digits(&mut self) -> Result<(), Refusal> {
        let start = self.position;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.position += 1;
        }
        if self.position > start { Ok(()) } else { Err(Refusal::InvalidJson) }
    }

    /// Steps over `true`, `false` or `null`.
    pub(super) fn word(&mut self) -> Result<&'static str, Refusal> {
        let rest = &self.text.as_bytes()[self.position..];
        let length = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_' || **byte >= 0x80)
            .count();
        let word = ["null", "true", "false"].into_iter().find(|word| word.as_bytes() == &rest[..length]);
        self.position += length;
        word.ok_or(Refusal::InvalidJson)
    }
}

/// Bytes of the escape at the start.
fn escape_length(bytes: &[u8]) -> Result<usize, Refusal> {
    match bytes {
        [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Ok(2),
        [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => Ok(6),
        _ => Err(Refusal::InvalidJson),
    }
}
