//! `point`, `lseg`, `box`, `path`, `polygon`, `line`, `circle`: `src/backend/utils/adt/geo_ops.c` (`path_decode`,
//! `pair_decode`, `path_encode`). A line is taken by its equation only, not by two points.

use super::Refusal;
use super::float;
use super::parser::{Parser, is_space};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    Point,
    Segment,
    Box,
    Path,
    Polygon,
    Line,
    Circle,
}

/// Numbers of a shape, in the order in which they are sent; a path may be open.
pub(super) struct Figure {
    shape: Shape,
    numbers: Vec<f64>,
    open: bool,
}

impl Figure {
    pub(super) fn parse(shape: Shape, text: &str) -> Result<Self, Refusal> {
        let mut reader = Reader(Parser::new(text));
        let (numbers, open) = match shape {
            Shape::Point => (reader.points(1)?, false),
            Shape::Segment => reader.path(2, true)?,
            Shape::Box => (ordered(reader.path(2, false)?.0), false),
            Shape::Polygon => (reader.path(pairs(text)?, false)?.0, false),
            Shape::Path => reader.path(pairs(text)?, true)?,
            Shape::Line => (reader.line()?, false),
            Shape::Circle => (reader.circle()?, false),
        };
        if reader.0.at_end() { Ok(Self { shape, numbers, open }) } else { Err(Refusal::InvalidSyntax) }
    }

    pub(super) fn send(&self, out: &mut Vec<u8>) {
        if self.shape == Shape::Path {
            out.push(u8::from(!self.open));
        }
        if matches!(self.shape, Shape::Path | Shape::Polygon) {
            out.extend_from_slice(&((self.numbers.len() / 2) as i32).to_be_bytes());
        }
        self.numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
    }

    pub(super) fn write(&self, out: &mut String) {
        let (open, close) = match self.shape {
            Shape::Point | Shape::Box => ("", ""),
            Shape::Segment => ("[", "]"),
            Shape::Path if self.open => ("[", "]"),
            Shape::Path | Shape::Polygon => ("(", ")"),
            Shape::Line => ("{", "}"),
            Shape::Circle => ("<", ">"),
        };
        out.push_str(open);
        for (index, pair) in self.numbers.chunks(2).enumerate() {
            out.push_str(if index > 0 { "," } else { "" });
            let bare = self.shape == Shape::Line || pair.len() == 1;
            out.push_str(if bare { "" } else { "(" });
            float::write8(pair[0], out);
            if let Some(second) = pair.get(1) {
                out.push(',');
                float::write8(*second, out);
            }
            out.push_str(if bare { "" } else { ")" });
        }
        out.push_str(close);
    }
}

/// Points in a text, by its commas (`pair_count`).
fn pairs(text: &str) -> Result<usize, Refusal> {
    let commas = text.bytes().filter(|byte| *byte == b',').count();
    if commas % 2 == 1 { Ok(commas.div_ceil(2)) } else { Err(Refusal::InvalidSyntax) }
}

/// The upper right corner, then the lower left one.
fn ordered(numbers: Vec<f64>) -> Vec<f64> {
    let [x1, y1, x2, y2] = numbers[..] else { return numbers };
    let (right, left) = if less(x1, x2) { (x2, x1) } else { (x1, x2) };
    let (top, bottom) = if less(y1, y2) { (y2, y1) } else { (y1, y2) };
    vec![right, top, left, bottom]
}

/// `float8_lt`: NaN is above all.
fn less(left: f64, right: f64) -> bool {
    left < right || !left.is_nan() && right.is_nan()
}

struct Reader<'t>(Parser<'t>);

impl Reader<'_> {
    fn expect(&mut self, byte: u8) -> Result<(), Refusal> {
        if self.0.take(byte) { Ok(()) } else { Err(Refusal::InvalidSyntax) }
    }

    fn number(&mut self) -> Result<f64, Refusal> {
        self.0.skip_spaces();
        let rest = self.0.rest();
        let length = rest.bytes().take_while(|byte| !is_space(*byte) && !b",()[]<>{}".contains(byte)).count();
        self.0.advance(length);
        let number = float::parse8(&rest[..length])?;
        self.0.skip_spaces();
        Ok(number)
    }

    fn pair(&mut self) -> Result<[f64; 2], Refusal> {
        self.0.skip_spaces();
        let enclosed = self.0.take(b'(');
        let first = self.number()?;
        self.expect(b',')?;
        let second = self.number()?;
        if enclosed {
            self.expect(b')')?;
            self.0.skip_spaces();
        }
        Ok([first, second])
    }

    /// Points with commas between them; `path_decode` also takes one behind the last, we do not.
    fn points(&mut self, count: usize) -> Result<Vec<f64>, Refusal> {
        let mut numbers = Vec::with_capacity(count * 2);
        for index in 0..count {
            if index > 0 {
                self.expect(b',')?;
            }
            numbers.extend(self.pair()?);
        }
        Ok(numbers)
    }

    /// `((x,y),...)`, `[(x,y),...]`, `(x,y),...` or `x,y,...`; tells whether it is open.
    fn path(&mut self, count: usize, may_be_open: bool) -> Result<(Vec<f64>, bool), Refusal> {
        self.0.skip_spaces();
        let open = self.0.take(b'[');
        if open && !may_be_open {
            return Err(Refusal::InvalidSyntax);
        }
        let enclosed = !open && self.is_enclosed();
        if enclosed {
            self.0.advance(1);
        }
        let numbers = self.points(count)?;
        if open || enclosed {
            self.expect(if open { b']' } else { b')' })?;
            self.0.skip_spaces();
        }
        Ok((numbers, open))
    }

    /// Whether the parenthesis here is not that of the first point.
    fn is_enclosed(&self) -> bool {
        let rest = self.0.rest();
        let Some(inner) = rest.strip_prefix('(') else { return false };
        inner.trim_start_matches(|c: char| c.is_ascii() && is_space(c as u8)).starts_with('(')
            || rest.rfind('(') == Some(0)
    }

    fn line(&mut self) -> Result<Vec<f64>, Refusal> {
        /// `EPSILON` of geo_decls.h.
        const ZERO: f64 = 1.0e-6;
        self.0.skip_spaces();
        self.expect(b'{')?;
        let a = self.number()?;
        self.expect(b',')?;
        let b = self.number()?;
        self.expect(b',')?;
        let c = self.number()?;
        self.expect(b'}')?;
        self.0.skip_spaces();
        if a.abs() <= ZERO && b.abs() <= ZERO { Err(Refusal::OutOfRange) } else { Ok(vec![a, b, c]) }
    }

    /// `<(x,y),r>`, `((x,y),r)`, `(x,y),r` or `x,y,r`.
    fn circle(&mut self) -> Result<Vec<f64>, Refusal> {
        self.0.skip_spaces();
        let close = if self.0.take(b'<') {
            Some(b'>')
        } else if self.is_enclosed() && self.0.rest().rfind('(') != Some(0) {
            self.0.advance(1);
            Some(b')')
        } else {
            None
        };
        let [x, y] = self.pair()?;
        self.expect(b',')?;
        let radius = self.number()?;
        if let Some(close) = close {
            self.expect(close)?;
            self.0.skip_spaces();
        }
        if radius < 0.0 { Err(Refusal::OutOfRange) } else { Ok(vec![x, y, radius]) }
    }
}
