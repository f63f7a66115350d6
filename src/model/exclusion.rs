//! What an EXCLUDE constraint compares, from its definition as `pg_get_constraintdef` gives it.

/// What two rows must not share: an expression, and the operator that compares it.
pub type Element = (String, String);

/// Elements and predicate of `EXCLUDE USING gist (room_id WITH =, tstzrange(a, b) WITH &&) WHERE (p)`.
pub fn exclusion(definition: &str) -> Option<(Vec<Element>, Option<String>)> {
    let open = definition.find('(')?;
    let close = matching(definition, open)?;
    let elements = split_elements(&definition[open + 1..close])
        .into_iter()
        .map(|element| {
            element.rsplit_once(" WITH ").map(|(sql, op)| (sql.trim().to_owned(), op.trim().to_owned()))
        })
        .collect::<Option<Vec<_>>>()?;
    let predicate = definition[close + 1..].trim().strip_prefix("WHERE ").and_then(|rest| {
        let end = matching(rest, rest.find('(')?)?;
        Some(rest[..=end].to_owned())
    });
    Some((elements, predicate))
}

/// The position of the parenthesis that closes the one at `open`; quotes are stepped over.
pub fn matching(text: &str, open: usize) -> Option<usize> {
    let (mut depth, mut quote) = (0, None);
    for (position, c) in text.char_indices().skip_while(|(position, _)| *position < open) {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') if depth == 1 => return Some(position),
            (None, ')') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn split_elements(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start, mut quote) = (Vec::new(), 0, 0, None);
    for (position, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(&text[start..position]);
                start = position + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exclusion_is_taken_apart() {
        let (elements, predicate) = exclusion(
            "EXCLUDE USING gist (room_id WITH =, tstzrange(starts_at, ends_at, '[)'::text) WITH &&) WHERE ((status <> 'a,(b'::text))",
        )
        .unwrap();
        assert_eq!(elements[0], ("room_id".into(), "=".into()));
        assert_eq!(elements[1], ("tstzrange(starts_at, ends_at, '[)'::text)".into(), "&&".into()));
        assert_eq!(predicate.as_deref(), Some("((status <> 'a,(b'::text))"));
    }
}
