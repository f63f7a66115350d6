//! Reading ASCII syntax byte by byte.

/// PostgreSQL's `isspace` in every locale it supports.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// The text without white space at both ends.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii() && is_space(c as u8))
}

/// A position in a text. Every step is over ASCII, so slices fall on character boundaries.
#[derive(Debug, Clone)]
pub(super) struct Parser<'t> {
    text: &'t str,
    position: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, position: 0 }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.position + ahead).copied()
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Whether white space stands before a position.
    pub(super) fn is_after_space(&self, position: usize) -> bool {
        position > 0 && is_space(self.text.as_bytes()[position - 1])
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.position += bytes;
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.position..]
    }

    pub(super) fn at_end(&self) -> bool {
        self.position >= self.text.len()
    }

    /// Steps over `byte` if it is next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    /// Steps over an ASCII word in any letter case if it is next.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let bytes = &self.text.as_bytes()[self.position..];
        let found = bytes.len() >= word.len() && bytes[..word.len()].eq_ignore_ascii_case(word.as_bytes());
        self.position += if found { word.len() } else { 0 };
        found
    }

    pub(super) fn skip_spaces(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.position += 1;
        }
    }

    /// The digits that come next, perhaps none.
    pub(super) fn digits(&mut self) -> &'t str {
        let start = self.position;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.position += 1;
        }
        &self.text[start..self.position]
    }
}
