//! What the single values of a path look like, all together.

use std::collections::BTreeMap;

use crate::model::document::Node;
use crate::model::profile::Guess;

use super::NEARLY_ALL;

/// Values by what their texts look like.
#[derive(Debug, Default)]
pub(super) struct Forms {
    /// Values that say something.
    pub(super) filled: u64,
    /// Texts of a time with its zone.
    instants: u64,
    /// Texts of a time without one.
    local_times: u64,
    days: u64,
    /// Numbers of milliseconds that are called a time.
    epochs: u64,
    object_ids: u64,
    emails: u64,
}

impl Forms {
    pub(super) fn note(&mut self, node: &Node<'_>, is_epoch: impl Fn(i64) -> bool) {
        self.filled += 1;
        match node {
            Node::Bare(number) => self.epochs += u64::from(number.parse().is_ok_and(is_epoch)),
            Node::Text(text) => self.note_text(text.trim()),
            Node::Null => self.filled -= 1,
            Node::Object(_) if node.kind() == "null" => self.filled -= 1,
            Node::Object(fields) => {
                let number = match fields.as_slice() {
                    [(mark, number)] if mark == "$numberLong" => number.trim_matches('"').parse().ok(),
                    _ => None,
                };
                self.epochs += u64::from(number.is_some_and(is_epoch));
            }
            Node::List(_) => {}
        }
    }

    fn note_text(&mut self, text: &str) {
        if text.is_empty() {
            self.filled -= 1;
        } else if let Some(rest) = after_day(text) {
            match time_of(rest) {
                _ if rest.is_empty() => self.days += 1,
                Some("") => self.local_times += 1,
                Some(zone) if is_zone(zone) => self.instants += 1,
                _ => {}
            }
        } else if text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            self.object_ids += 1;
        } else if text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && domain.contains('.') && !text.contains(char::is_whitespace)
        }) {
            self.emails += 1;
        }
    }

    /// What nearly all of them are, given how many have which type.
    #[expect(clippy::cast_precision_loss, reason = "a share of values")]
    pub(super) fn guess(&self, types: &BTreeMap<String, u64>) -> Guess {
        if self.filled == 0 {
            return Guess::Empty;
        }
        let of = |names: &[&str]| names.iter().filter_map(|name| types.get(*name)).sum::<u64>();
        let nearly = |count: u64| count as f64 >= NEARLY_ALL * self.filled as f64;
        let integers = of(&["integer", "$numberInt", "$numberLong"]);
        let numbers = integers + of(&["number", "$numberDouble", "$numberDecimal"]);
        let instants = of(&["$date"]) + self.instants + self.epochs;
        let times = instants + self.local_times;
        // A value of another type would be lost in these: text holds them all.
        let all = |count: u64| count >= self.filled;
        match () {
            () if all(of(&["boolean"])) => Guess::Boolean,
            () if instants > 0 && nearly(instants) => Guess::Instant,
            () if times > 0 && nearly(times) => Guess::Timestamp,
            () if self.days > 0 && nearly(self.days) => Guess::Date,
            () if times > 0 && nearly(times + self.days) => Guess::Timestamp,
            () if all(of(&["$oid"]) + self.object_ids) => Guess::ObjectId,
            () if all(of(&["$uuid"])) => Guess::Uuid,
            () if all(integers) => Guess::Integer,
            () if all(numbers) => Guess::Decimal,
            () if self.emails > 0 && nearly(self.emails) => Guess::Email,
            () => Guess::Text,
        }
    }
}

/// What stands behind `2024-01-31`.
fn after_day(text: &str) -> Option<&str> {
    let shape = "0000-00-00";
    let day = text.get(..shape.len())?;
    let fits = day.bytes().zip(shape.bytes()).all(|(byte, sign)| match sign {
        b'0' => byte.is_ascii_digit(),
        _ => byte == sign,
    });
    fits.then(|| &text[shape.len()..])
}

/// What stands behind `T10:00`, `T10:00:00` or `T10:00:00.123`.
fn time_of(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix(['T', ' '])?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && !":.".contains(c)).unwrap_or(rest.len());
    (end >= 5 && rest.as_bytes()[2] == b':').then(|| rest[end..].trim_start())
}

fn is_zone(zone: &str) -> bool {
    ["Z", "z"].contains(&zone)
        || zone.strip_prefix(['+', '-']).is_some_and(|hours| {
            hours.len() >= 2 && hours.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(values: &[&str]) -> Guess {
        let (mut forms, mut types) = (Forms::default(), BTreeMap::new());
        for value in values {
            let node = Node::of(value).unwrap();
            *types.entry(node.kind().to_owned()).or_default() += 1;
            forms.note(&node, |number| number > 1_000_000_000_000);
        }
        forms.guess(&types)
    }

    #[test]
    fn a_path_is_what_nearly_all_of_its_values_are() {
        for (values, expected) in [
            (
                &[r#"{"$date":"2024-01-01T00:00:00Z"}"#, "1640995200000", r#""2024-01-01T10:00:00-03:00""#][..],
                Guess::Instant,
            ),
            (&[r#"{"$date":{"$numberLong":"5"}}"#, "null"], Guess::Instant),
            (&[r#"{"$numberLong":"1640995200000"}"#], Guess::Instant),
            (&[r#""2024-01-01 10:00""#, r#""2024-01-01T10:00:00+0100""#], Guess::Timestamp),
            (&[r#""2024-01-01""#], Guess::Date),
            (&[r#"{"$oid":"65a1f0c2b3d4e5f60718293a"}"#, r#""65a1f0c2b3d4e5f60718293a""#], Guess::ObjectId),
            (&["1", r#"{"$numberLong":"2"}"#], Guess::Integer),
            (&["1", "1.5", r#"{"$numberDecimal":"0.10"}"#], Guess::Decimal),
            (&["true", "false"], Guess::Boolean),
            (&["1", r#""x""#], Guess::Text),
            (&["true", r#""x""#], Guess::Text),
            (&[r#""ana@x.es""#], Guess::Email),
            (&["null", r#""  ""#, r#"{"$undefined":true}"#], Guess::Empty),
        ] {
            assert_eq!(guess(values), expected, "{values:?}");
        }
    }
}
