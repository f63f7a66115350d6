//! Takes one JSON object apart without copying it: it is validated as strictly as DuckDB and PostgreSQL will read it, and the
//! places of its top-level fields are noted. Not recursive, so that no nesting exhausts the stack.

use std::ops::Range;

use super::fault::Fault;

/// More than MongoDB (100 levels) or any export needs; less than what makes PostgreSQL give up.
pub(super) const DEPTH: usize = 1000;

/// A field of an object, by its places in the object's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// Between the quotes.
    pub(super) key: Range<usize>,
    pub(super) key_is_escaped: bool,
    pub(super) value: Range<usize>,
}

/// What an object was found to hold.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) fields: Vec<Field>,
    /// Bare `NaN`, `Infinity` and `-Infinity`, as old exports write them, which are no JSON.
    pub(super) bare: Vec<Range<usize>>,
}

/// Why there is no object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes end before the object does.
    Incomplete,
    Broken(Fault),
}

use Stop::{Broken, Incomplete};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    CommaOrEnd,
}

/// Takes apart the object at the start of `bytes`, and says where it ends.
pub(super) fn parse(bytes: &[u8], parsed: &mut Parsed) -> Result<usize, Stop> {
    parsed.fields.clear();
    parsed.bare.clear();
    // Whether each open container is an object.
    let mut open = vec![true];
    let mut expect = Expect::KeyOrEnd;
    let mut at = 1;
    let (mut key, mut key_is_escaped, mut value) = (0..0, false, 0);
    loop {
        at = skip_space(bytes, at);
        let byte = *bytes.get(at).ok_or(Incomplete)?;
        let mut scalar = None;
        match (byte, expect) {
            (b'"', Expect::Key | Expect::KeyOrEnd) => {
                let (end, escaped) = string(bytes, at)?;
                if open.len() == 1 {
                    (key, key_is_escaped) = (at + 1..end - 1, escaped);
                }
                at = skip_space(bytes, end);
                match bytes.get(at) {
                    Some(b':') => at += 1,
                    Some(_) => return Err(Broken(Fault::Unexpected)),
                    None => return Err(Incomplete),
                }
                if open.len() == 1 {
                    value = skip_space(bytes, at);
                }
                expect = Expect::Value;
            }
            (b'{' | b'[', Expect::Value | Expect::ValueOrEnd) => {
                if open.len() >= DEPTH {
                    return Err(Broken(Fault::TooDeep));
                }
                open.push(byte == b'{');
                expect = if byte == b'{' { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
                at += 1;
            }
            (b'}', Expect::KeyOrEnd) | (b']', Expect::ValueOrEnd) | (b'}' | b']', Expect::CommaOrEnd) => {
                if open.pop() != Some(byte == b'}') {
                    return Err(Broken(Fault::Unexpected));
                }
                at += 1;
                if open.is_empty() {
                    return Ok(at);
                }
                expect = Expect::CommaOrEnd;
                scalar = Some(at);
            }
            (b',', Expect::CommaOrEnd) => {
                expect = if open.last() == Some(&true) { Expect::Key } else { Expect::Value };
                at += 1;
            }
            (_, Expect::Value | Expect::ValueOrEnd) => {
                let end = simple(bytes, at, &mut parsed.bare)?;
                expect = Expect::CommaOrEnd;
                at = end;
                scalar = Some(end);
            }
            _ => return Err(Broken(Fault::Unexpected)),
        }
        if let Some(end) = scalar
            && open.len() == 1
        {
            parsed.fields.push(Field { key: key.clone(), key_is_escaped, value: value..end });
        }
    }
}

/// The first byte from `at` on that is no white space.
pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// The end of a value that is no container.
fn simple(bytes: &[u8], at: usize, bare: &mut Vec<Range<usize>>) -> Result<usize, Stop> {
    match bytes[at] {
        b'"' => string(bytes, at).map(|(end, _)| end),
        b't' => word(bytes, at, b"true"),
        b'f' => word(bytes, at, b"false"),
        b'n' => word(bytes, at, b"null"),
        b'N' => noted(word(bytes, at, b"NaN"), at, bare),
        b'I' => noted(word(bytes, at, b"Infinity"), at, bare),
        b'-' if bytes.get(at + 1) == Some(&b'I') => noted(word(bytes, at, b"-Infinity"), at, bare),
        b'-' | b'0'..=b'9' => number(bytes, at),
        _ => Err(Broken(Fault::Unexpected)),
    }
}

fn noted(end: Result<usize, Stop>, at: usize, bare: &mut Vec<Range<usize>>) -> Result<usize, Stop> {
    let end = end?;
    bare.push(at..end);
    Ok(end)
}

fn word(bytes: &[u8], at: usize, word: &[u8]) -> Result<usize, Stop> {
    let rest = &bytes[at..];
    if rest.starts_with(word) {
        Ok(at + word.len())
    } else if word.starts_with(rest) {
        Err(Incomplete)
    } else {
        Err(Broken(Fault::Unexpected))
    }
}

/// The end of a number; one that the bytes end in may go on.
fn number(bytes: &[u8], mut at: usize) -> Result<usize, Stop> {
    let digits = |mut at: usize| {
        let start = at;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        match (at > start, at < bytes.len()) {
            (_, false) => Err(Incomplete),
            (true, true) => Ok(at),
            (false, true) => Err(Broken(Fault::Number)),
        }
    };
    if bytes[at] == b'-' {
        at += 1;
    }
    let end = digits(at)?;
    if bytes[at] == b'0' && end > at + 1 {
        return Err(Broken(Fault::Number));
    }
    at = end;
    if bytes[at] == b'.' {
        at = digits(at + 1)?;
    }
    if matches!(bytes[at], b'e' | b'E') {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits(at + 1 + sign)?;
    }
    Ok(at)
}

/// So many bytes of a string are looked at together.
const BLOCK: usize = 16;

/// How many bytes of a string stand for themselves: up to its end, an escape or a control character.
fn plain(bytes: &[u8]) -> usize {
    let means_more = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    // Without an early end the compiler compares all of a block at once.
    let any = |block: &&[u8]| block.iter().fold(false, |any, byte| any | means_more(byte));
    let at = bytes.chunks_exact(BLOCK).take_while(|block| !any(block)).count() * BLOCK;
    bytes[at..].iter().position(means_more).map_or(bytes.len(), |more| at + more)
}

/// Where a string ends that begins at `at`, and whether it holds escapes.
fn string(bytes: &[u8], at: usize) -> Result<(usize, bool), Stop> {
    let (mut at, mut escaped) = (at + 1, false);
    loop {
        at += plain(bytes.get(at..).ok_or(Incomplete)?);
        match bytes.get(at).ok_or(Incomplete)? {
            b'"' => return Ok((at + 1, escaped)),
            b'\\' => {
                escaped = true;
                at = escape(bytes, at)?;
            }
            _ => return Err(Broken(Fault::Control)),
        }
    }
}

/// The end of an escape; half of a UTF-16 pair is no character.
fn escape(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    match bytes.get(at + 1).ok_or(Incomplete)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 2),
        b'u' => match unit(bytes, at)? {
            0xd800..0xdc00 => match (bytes.get(at + 6), bytes.get(at + 7)) {
                (Some(b'\\'), Some(b'u')) => match unit(bytes, at + 6)? {
                    0xdc00..0xe000 => Ok(at + 12),
                    _ => Err(Broken(Fault::Surrogate)),
                },
                (None, _) | (Some(b'\\'), None) => Err(Incomplete),
                _ => Err(Broken(Fault::Surrogate)),
            },
            0xdc00..0xe000 => Err(Broken(Fault::Surrogate)),
            _ => Ok(at + 6),
        },
        _ => Err(Broken(Fault::Escape)),
    }
}

/// The UTF-16 unit of `\uXXXX`.
fn unit(bytes: &[u8], at: usize) -> Result<u32, Stop> {
    let mut unit = 0;
    for byte in at + 2..at + 6 {
        let digit = char::from(*bytes.get(byte).ok_or(Incomplete)?).to_digit(16);
        unit = unit * 16 + digit.ok_or(Broken(Fault::Escape))?;
    }
    Ok(unit)
}

/// A validated string's text, given what stands between its quotes.
pub(super) fn unescaped(inner: &str) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        text.push_str(&rest[..at]);
        let mut used = 2;
        text.push(match rest.as_bytes()[at + 1] {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = |at: usize| unit(rest.as_bytes(), at).unwrap_or(0);
                used = 6;
                match unit(at) {
                    high @ 0xd800..0xdc00 => {
                        used = 12;
                        let code = 0x10000 + ((high - 0xd800) << 10) + unit(at + 6).saturating_sub(0xdc00);
                        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                    }
                    code => char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
                }
            }
            other => char::from(other),
        });
        rest = &rest[at + used..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stop(text: &str) -> Result<usize, Stop> {
        parse(text.as_bytes(), &mut Parsed::default())
    }

    #[test]
    fn fields_are_found_where_they_stand() {
        let text = r#"{"a": 1 , "b" :{"x":[1,{"y":"}"}]},"a\u0062":"\"","d":null} {"#;
        let mut parsed = Parsed::default();
        let end = parse(text.as_bytes(), &mut parsed).unwrap();
        let fields: Vec<_> = parsed
            .fields
            .iter()
            .map(|field| (&text[field.key.clone()], &text[field.value.clone()]))
            .collect();
        let expected = [("a", "1"), ("b", r#"{"x":[1,{"y":"}"}]}"#), (r"a\u0062", r#""\"""#), ("d", "null")];
        assert_eq!((&text[..end], fields.as_slice()), (&text[..text.len() - 2], &expected[..]));
        assert_eq!(unescaped(r#"a\u0062 \"\\\/\n \ud83d\ude00\u0000é"#), "ab \"\\/\n 😀\0é");
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_reason() {
        for (text, fault) in [
            (r#"{"a":01}"#, Fault::Number),
            (r#"{"a":1.}"#, Fault::Number),
            (r#"{"a":-}"#, Fault::Number),
            (r#"{"a":1e}"#, Fault::Number),
            (r#"{"a":+1}"#, Fault::Unexpected),
            (r#"{"a":tru}"#, Fault::Unexpected),
            (r#"{"a":1,}"#, Fault::Unexpected),
            (r#"{"a":[1,]}"#, Fault::Unexpected),
            (r#"{"a" 1}"#, Fault::Unexpected),
            (r#"{"a":[1}}"#, Fault::Unexpected),
            (r"{a:1}", Fault::Unexpected),
            (r#"{"a":ObjectId("x")}"#, Fault::Unexpected),
            ("{\"a\":\"x\n\"}", Fault::Control),
            (r#"{"a":"\x"}"#, Fault::Escape),
            (r#"{"a":"\ud800"}"#, Fault::Surrogate),
            (r#"{"a":"\udc00\ud800"}"#, Fault::Surrogate),
        ] {
            assert_eq!(stop(text), Err(Broken(fault)), "{text}");
        }
        let deep = format!("{{\"a\":{}", "[".repeat(DEPTH));
        assert_eq!(stop(&deep), Err(Broken(Fault::TooDeep)));
        assert!(stop(&format!("{{\"a\":{}{}}}", "[".repeat(DEPTH - 1), "]".repeat(DEPTH - 1))).is_ok());
    }

    #[test]
    fn every_beginning_of_an_object_is_incomplete_and_not_broken() {
        let text =
            r#"{"a":[-1.5e+3,true,false,null,NaN,-Infinity,Infinity],"b":{"c\n":"\ud83d\ude00"},"":""}"#;
        for end in 1..text.len() {
            assert_eq!(stop(&text[..end]), Err(Incomplete), "{}", &text[..end]);
        }
        assert_eq!(stop(text), Ok(text.len()));
    }

    #[test]
    fn a_string_ends_wherever_it_does_in_a_block() {
        for length in 0..3 * BLOCK {
            let text = "x".repeat(length);
            for (end, expected) in [
                ("\"", Ok((length + 2, false))),
                ("\u{1f}\"", Err(Broken(Fault::Control))),
                ("", Err(Incomplete)),
            ] {
                assert_eq!(string(format!("\"{text}{end}").as_bytes(), 0), expected, "{length}");
            }
            assert_eq!(string(format!("\"{text}\\n\"").as_bytes(), 0), Ok((length + 4, true)));
        }
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Into::into),
            any::<bool>().prop_map(Into::into),
            Just(serde_json::Value::Null),
            ".*".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::btree_map(".*", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_reads(map in proptest::collection::btree_map(".*", value(), 0..5), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&map) } else { serde_json::to_string(&map) }.unwrap();
            let mut parsed = Parsed::default();
            prop_assert_eq!(parse(text.as_bytes(), &mut parsed), Ok(text.len()));
            let read: Vec<(String, serde_json::Value)> = parsed
                .fields
                .iter()
                .map(|field| (unescaped(&text[field.key.clone()]), serde_json::from_str(&text[field.value.clone()]).unwrap()))
                .collect();
            prop_assert_eq!(read, map.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn it_refuses_what_serde_refuses(text in r#"\{("a"|:|,|1|\[|\]|\{|\}|"|\\|n| |u00e9|\n){0,12}"#) {
            let mut stream = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Map<String, serde_json::Value>>();
            let serde = match stream.next() {
                Some(Ok(_)) => Some(stream.byte_offset()),
                _ => None,
            };
            prop_assert_eq!(stop(&text).ok(), serde, "{}", text);
        }
    }
}
