//! What was read of an extract and not passed yet.

use std::io::{self, ErrorKind, Read};

const BLOCK: usize = 1 << 20;

pub(super) struct Input {
    file: Box<dyn Read>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub(super) fn new(file: Box<dyn Read>) -> Self {
        Self { file, buffer: Vec::new(), start: 0, end: 0 }
    }

    pub(super) fn rest(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    pub(super) fn pass(&mut self, length: usize) {
        self.start += length;
    }

    /// Reads until there are so many bytes; false where the file ends before. Memory is taken for bytes that came, not for
    /// those that a damaged length speaks of.
    pub(super) fn need(&mut self, length: usize) -> io::Result<bool> {
        while self.end - self.start < length {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            if self.end == self.buffer.len() {
                self.buffer.resize((self.end * 2).max(BLOCK), 0);
            }
            match self.file.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The next line, without its end; none where there is no line end.
    pub(super) fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut seen = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.rest()[seen..]) {
                let line = self.rest()[..seen + at].to_vec();
                self.pass(seen + at + 1);
                return Ok(Some(line));
            }
            seen = self.rest().len();
            if !self.need(seen + 1)? {
                return Ok(None);
            }
        }
    }

    /// Whether these bytes come next, which are passed then.
    pub(super) fn passes(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let comes = self.need(bytes.len())? && self.rest().starts_with(bytes);
        self.pass(if comes { bytes.len() } else { 0 });
        Ok(comes)
    }
}
