use std::convert::Infallible;

use proptest::prelude::*;

use super::super::count::Counter;
use super::*;

/// A field as it was read: its text and whether it was quoted.
type Read = (String, bool);

#[derive(Debug, Default, PartialEq)]
struct Parsed {
    records: Vec<Vec<Read>>,
    faults: Vec<Option<Fault>>,
    lines: Vec<(u64, u64)>,
    blank: u64,
}

fn parse(text: &[u8], size: usize) -> Parsed {
    parse_as(&TextDialect::plain(), text, size)
}

/// With backslashes before quotes.
fn escaped() -> TextDialect {
    TextDialect { escape: Some('\\'), ..TextDialect::plain() }
}

fn parse_as(dialect: &TextDialect, text: &[u8], size: usize) -> Parsed {
    let mut parser = Parser::new(dialect);
    let mut parsed = Parsed::default();
    let mut take = |record: &Record| {
        let fields = record.fields().map(|field| String::from_utf8_lossy(field).into_owned());
        parsed.records.push(fields.enumerate().map(|(at, text)| (text, record.quoted(at))).collect());
        parsed.faults.push(record.fault);
        parsed.lines.push((record.first_line, record.last_line));
        Ok::<(), Infallible>(())
    };
    text.chunks(size).for_each(|chunk| parser.feed(chunk, &mut take).unwrap());
    parser.finish(&mut take).unwrap();
    parsed.blank = parser.blank_lines;
    parsed
}

fn texts(text: &str) -> Vec<Vec<String>> {
    parse(text.as_bytes(), 7)
        .records
        .into_iter()
        .map(|record| record.into_iter().map(|field| field.0).collect())
        .collect()
}

#[test]
fn an_empty_field_tells_whether_it_was_quoted() {
    let parsed = parse(b"a,,\"\",\"\"\"\"\n,", 100);
    let expected = |text: &str, quoted| (text.to_owned(), quoted);
    assert_eq!(
        parsed.records,
        [
            vec![expected("a", false), expected("", false), expected("", true), expected("\"", true)],
            vec![expected("", false), expected("", false)],
        ]
    );
    assert_eq!(parsed.faults, [None, None]);
}

#[test]
fn what_the_automaton_forgives_is_a_fault() {
    for (text, fault) in [
        ("\"abc\"def,1\n", Some(Fault::TextAfterQuote)),
        ("\"abc\"def\",1\n", Some(Fault::TextAfterQuote)),
        ("\"a\"\"b\"c\"\"d\"\n", Some(Fault::TextAfterQuote)),
        ("\"Test \\\" line 3\"\n", Some(Fault::TextAfterQuote)),
        ("\"abc", Some(Fault::UnterminatedQuote)),
        ("\"abc\"\"", Some(Fault::UnterminatedQuote)),
        ("\"", Some(Fault::UnterminatedQuote)),
        ("1,\"abc\n2,3\n", Some(Fault::UnterminatedQuote)),
        ("\"abc\"", None),
        ("\"\"", None),
        ("\"\"\"\"\"\"", None),
        ("5\" screen\n", None),
        ("Juan \"Pepe\" P\n", None),
    ] {
        for size in [1, 2, 3, 100] {
            assert_eq!(parse(text.as_bytes(), size).faults, [fault], "{text:?} in blocks of {size}");
        }
    }
}

#[test]
fn an_escape_goes_before_a_quote_and_before_itself_and_stays_otherwise() {
    let none = None;
    for (text, fields, fault) in [
        (r#""say \"no\"",1"#, &[r#"say "no""#, "1"][..], none),
        (r#""\\","C:\temp\\""#, &["\\", "C:\\temp\\"], none),
        ("\"a\\\nb\",c", &["a\\\nb", "c"], none),
        (r#""a ""b"" \"c\"","""#, &[r#"a "b" "c""#, ""], none),
        (r#"C:\"x",5\" screen"#, &[r#"C:\"x""#, r#"5\" screen"#], none),
        (r#""C:\temp\",1"#, &[r#"C:\temp",1"#], Some(Fault::UnterminatedQuote)),
        (r#""abc\"#, &["abc"], Some(Fault::UnterminatedQuote)),
        (r#""abc\""d,1"#, &[r#"abc"d"#, "1"], Some(Fault::TextAfterQuote)),
        (r#""abc\\"d,1"#, &[r"abc\d", "1"], Some(Fault::TextAfterQuote)),
    ] {
        for size in [1, 2, 3, 100] {
            for end in ["", "\n", "\r\n"] {
                let parsed = parse_as(&escaped(), format!("{text}{end}").as_bytes(), size);
                assert_eq!(parsed.faults, [fault], "{text:?} {end:?} {size}");
                if fault != Some(Fault::UnterminatedQuote) {
                    let read: Vec<&str> = parsed.records[0].iter().map(|field| field.0.as_str()).collect();
                    assert_eq!(read, fields, "{text:?} {end:?} {size}");
                }
            }
        }
    }
}

#[test]
fn lines_are_physical_and_blank_ones_no_records() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["", "a,b", "", "\"1", "2\",x", "z,\"y\"", "\"q\",", "", ""].join(end);
        for size in [1, 2, 100] {
            let parsed = parse(text.as_bytes(), size);
            assert_eq!(parsed.lines, [(2, 2), (4, 5), (6, 6), (7, 7)], "{end:?} {size}");
            assert_eq!(parsed.blank, 3, "{end:?} {size}");
        }
    }
    assert_eq!(texts("a,b\r1,2\r\n3,4\n\"x\r\ny\",5"), [["a", "b"], ["1", "2"], ["3", "4"], ["x\r\ny", "5"]]);
}

#[test]
fn line_ends_of_all_kinds_may_be_mixed() {
    let parsed = parse(b"a\rb\nc\r\nd\r\re\n\rf", 1);
    assert_eq!(parsed.lines, [(1, 1), (2, 2), (3, 3), (4, 4), (6, 6), (8, 8)]);
    assert_eq!(parsed.blank, 2);
}

#[test]
fn a_record_of_too_many_fields_is_refused_and_the_next_read() {
    let text = format!("a,b\n{}\nc,d\n", ",".repeat(MOST_FIELDS + 5));
    let parsed = parse(text.as_bytes(), 1 << 16);
    assert_eq!(parsed.faults, [None, Some(Fault::TooLong), None]);
}

fn field() -> impl Strategy<Value = (String, bool)> {
    let text = proptest::collection::vec(
        prop_oneof![
            Just('a'),
            Just(','),
            Just('"'),
            Just('\n'),
            Just('\r'),
            Just('ñ'),
            Just(' '),
            Just('\0')
        ],
        0..6,
    );
    (text.prop_map(|chars| chars.into_iter().collect()), any::<bool>())
}

fn written(records: &[Vec<Read>], ends: &[&str]) -> (String, Vec<Vec<Read>>) {
    let (mut text, mut expected) = (String::new(), Vec::new());
    for (at, record) in records.iter().enumerate() {
        let mut fields = Vec::new();
        for (column, (value, wish)) in record.iter().enumerate() {
            let must = value.contains([',', '"', '\n', '\r']) || (record.len() == 1 && value.is_empty());
            let quoted = must || *wish;
            if column > 0 {
                text.push(',');
            }
            if quoted {
                text.push_str(&format!("\"{}\"", value.replace('"', "\"\"")));
            } else {
                text.push_str(value);
            }
            fields.push((value.clone(), quoted));
        }
        expected.push(fields);
        text.push_str(ends[at % ends.len()]);
    }
    (text, expected)
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(
        records in proptest::collection::vec(proptest::collection::vec(field(), 1..4), 0..6),
        ends in proptest::sample::select(vec![vec!["\n"], vec!["\r\n"], vec!["\r"], vec!["\n", "\r\n", "\r", "\n\n"]]),
        size in 1usize..9,
    ) {
        let (text, expected) = written(&records, &ends);
        let parsed = parse(text.as_bytes(), size);
        prop_assert_eq!(&parsed.records, &expected);
        prop_assert!(parsed.faults.iter().all(Option::is_none));
    }

    #[test]
    fn the_counter_agrees_on_any_text(
        text in proptest::collection::vec(prop_oneof![Just(b'a'), Just(b','), Just(b'"'), Just(b'\n'), Just(b'\r')], 0..40),
        size in 1usize..9,
        count_size in 1usize..9,
    ) {
        let mut counter = Counter::new(&TextDialect::plain().bytes());
        text.chunks(count_size).for_each(|chunk| counter.feed(chunk));
        let parsed = parse(&text, size);
        prop_assert_eq!(counter.finish(), parsed.records.len() as u64);
        prop_assert_eq!(&parse(&text, 100), &parsed);
    }

    #[test]
    fn the_escaped_counter_agrees_on_any_text(
        text in proptest::collection::vec(prop_oneof![Just(b'a'), Just(b','), Just(b'"'), Just(b'\\'), Just(b'\n'), Just(b'\r')], 0..40),
        size in 1usize..9,
        count_size in 1usize..9,
    ) {
        let mut counter = Counter::new(&escaped().bytes());
        text.chunks(count_size).for_each(|chunk| counter.feed(chunk));
        let parsed = parse_as(&escaped(), &text, size);
        prop_assert_eq!(counter.finish(), parsed.records.len() as u64);
        prop_assert_eq!(&parse_as(&escaped(), &text, 100), &parsed);
    }

    #[test]
    fn what_was_escaped_is_read_back(value in "[a\"\\\\,\n]{0,9}", size in 1usize..9) {
        let text = format!("\"{}\",x\n", value.replace('\\', r"\\").replace('"', r#"\""#));
        let parsed = parse_as(&escaped(), text.as_bytes(), size);
        prop_assert_eq!(&parsed.records, &[vec![(value, true), ("x".to_owned(), false)]]);
        prop_assert_eq!(parsed.faults, [None]);
    }

    #[test]
    fn without_escapes_both_readers_read_alike(
        text in proptest::collection::vec(prop_oneof![Just(b'a'), Just(b','), Just(b'"'), Just(b'\n'), Just(b'\r')], 0..40),
        size in 1usize..9,
    ) {
        let (doubled, escaped) = (parse(&text, size), parse_as(&escaped(), &text, size));
        prop_assert_eq!(&doubled.lines, &escaped.lines);
        // Which fault it is, csv-core's way of finding it cannot always tell.
        let refused = |parsed: &Parsed| parsed.faults.iter().map(Option::is_some).collect::<Vec<_>>();
        prop_assert_eq!(refused(&doubled), refused(&escaped));
        prop_assert_eq!(doubled.records, escaped.records);
    }
}
