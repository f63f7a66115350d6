//! Detects delimiter, quote and header of delimited text from a sample.

use super::dialect::{TextDialect, given_quote};
use super::header::{self, Place, Shape};
use super::parser::{Parser, Record};
use crate::config::SourceConfig;

/// In this order where two explain a sample equally well.
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];
const RECORDS: usize = 100;

/// One record of the sample.
#[derive(Debug, Clone)]
pub(super) struct Sampled {
    pub(super) line: u64,
    pub(super) fields: Vec<Vec<u8>>,
    pub(super) faulty: bool,
    quoted: usize,
}

impl Sampled {
    fn shape(&self) -> Shape {
        let texts: Vec<_> = self.fields.iter().map(|field| String::from_utf8_lossy(field)).collect();
        Shape::of(texts.iter().map(AsRef::as_ref))
    }
}

/// The first records of a text. `whole` says that the text is all there is, so that its last record is complete.
pub(super) fn sample(text: &[u8], whole: bool, dialect: &TextDialect, limit: usize) -> Vec<Sampled> {
    let mut parser = Parser::new(dialect);
    let mut records = Vec::new();
    let mut take = |record: &Record| {
        if records.len() == limit {
            return Err(());
        }
        records.push(Sampled {
            line: record.first_line,
            fields: record.fields().map(<[u8]>::to_vec).collect(),
            faulty: record.fault.is_some(),
            quoted: (0..record.len()).filter(|field| record.quoted(*field)).count(),
        });
        Ok(())
    };
    let ended = parser.feed(text, &mut take).is_err();
    if !ended && whole {
        let _ = parser.finish(&mut take);
    }
    records
}

/// Delimiter and quote: what is given, and for the rest what makes the sample's records most alike.
pub(super) fn separators(text: &[u8], whole: bool, config: &SourceConfig) -> (char, Option<char>) {
    let delimiters = config.delimiter.map_or(DELIMITERS.to_vec(), |given| vec![given]);
    let quotes = given_quote(config).map_or(vec![Some('"'), Some('\'')], |given| vec![given]);
    let mut best: Option<(f64, char, Option<char>)> = None;
    for quote in &quotes {
        for delimiter in &delimiters {
            let (delimiter, quote, escape) = (*delimiter, *quote, config.escape);
            let dialect = TextDialect { delimiter, quote, escape, ..TextDialect::plain() };
            let records = sample(text, whole, &dialect, RECORDS);
            // Single quotes are also apostrophes, so they must be used as quotes throughout.
            if quote == Some('\'') && quotes.len() > 1 && !quotes_with_apostrophes(&records) {
                continue;
            }
            let score = alikeness(&records);
            if best.is_none_or(|(highest, ..)| score > highest + 1e-9) {
                best = Some((score, delimiter, quote));
            }
        }
    }
    best.map_or((delimiters[0], quotes[0]), |(_, delimiter, quote)| (delimiter, quote))
}

fn quotes_with_apostrophes(records: &[Sampled]) -> bool {
    let quoted: usize = records.iter().map(|record| record.quoted).sum();
    let fields: usize = records.iter().map(|record| record.fields.len()).sum();
    quoted * 2 > fields && records.iter().all(|record| !record.faulty)
}

/// The share of records with the usual number of fields; nothing for a single column, which every text is.
///
/// Faulty records count against, more columns slightly in favour.
fn alikeness(records: &[Sampled]) -> f64 {
    let shapes: Vec<_> = records.iter().map(Sampled::shape).collect();
    let usual = header::usual_width(&shapes);
    if usual < 2 {
        return 0.0;
    }
    let alike = records.iter().filter(|record| record.fields.len() == usual && !record.faulty).count();
    alike as f64 / records.len() as f64 + (usual.min(100) as f64) / 1000.0
}

/// Where the header's first record is in the sample.
pub(super) fn header(records: &[Sampled]) -> Place {
    header::locate(&records.iter().map(Sampled::shape).collect::<Vec<_>>())
}

/// The usual number of fields, for files without a header.
pub(super) fn width(records: &[Sampled]) -> usize {
    header::usual_width(&records.iter().map(Sampled::shape).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(extra: &str) -> SourceConfig {
        toml::from_str(&format!("files = []\n{extra}")).unwrap()
    }

    #[test]
    fn separators_are_recognised() {
        for (text, delimiter, quote) in [
            ("a,b,c\n1,2,3\n", ',', Some('"')),
            ("a;b\n1,5;2\n2,5;3\n", ';', Some('"')),
            ("a\tb\nx, y\tz\nq, r\ts\n", '\t', Some('"')),
            ("a|b|c\n1|\"x|y\"|2\n", '|', Some('"')),
            ("'a','b'\n'1,2','x'\n", ',', Some('\'')),
            ("a,b\nd'Or,l'Hospitalet\n'X,'Y\n", ',', Some('"')),
            ("nota\nHola\nAdi\u{f3}s\n", ',', Some('"')),
            ("Informe, 2024\n\nid;name;tel\n1;Ana;\n2;Eva;\n", ';', Some('"')),
            ("fecha;importe\n1;1.157,03\n2;231,40\n3;12,00\n", ';', Some('"')),
        ] {
            assert_eq!(separators(text.as_bytes(), true, &config("")), (delimiter, quote), "{text:?}");
        }
    }

    #[test]
    fn what_is_given_is_taken() {
        let text = b"a,b;c\n1,2;3\n";
        assert_eq!(separators(text, true, &config("delimiter = ';'\nquote = \"\"")), (';', None));
    }

    #[test]
    fn a_cut_sample_does_not_judge_by_its_last_record() {
        let dialect = TextDialect::plain();
        assert_eq!(sample(b"a,b\n1,", false, &dialect, 9).len(), 1);
        assert_eq!(sample(b"a,b\n1,", true, &dialect, 9).len(), 2);
        assert_eq!(sample(b"a\nb\nc\nd\n", true, &dialect, 2).len(), 2);
    }

    #[test]
    fn an_empty_sample_has_the_plain_separators() {
        assert_eq!(separators(b"", true, &config("")), (',', Some('"')));
    }
}
