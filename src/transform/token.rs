//! Just enough of SQL's lexical grammar to find statements, comments and parentheses. What a query means is read from
//! DuckDB's own parse tree.

/// A piece of SQL that is neither white space nor comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    /// Byte in the whole text.
    pub(super) start: usize,
}

impl Token<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether it is this keyword, or this symbol.
    pub(super) fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }
}

/// The tokens of a text.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let (length, counts) = next(&text[start..]);
        if counts {
            found.push(Token { text: &text[start..start + length], start });
        }
        start += length;
    }
    found
}

/// Splits tokens into statements at semicolons; empty ones are left out.
pub(super) fn statements<'a>(tokens: &'a [Token<'a>]) -> Vec<&'a [Token<'a>]> {
    tokens.split(|token| token.is(";")).filter(|statement| !statement.is_empty()).collect()
}

/// A text that holds one statement, without the semicolon that ends it and what follows; none where there is another.
pub(crate) fn only_statement(text: &str) -> Option<&str> {
    let tokens = tokens(text);
    let Some(end) = tokens.iter().position(|token| token.is(";")) else { return Some(text) };
    tokens[end..].iter().all(|token| token.is(";")).then(|| &text[..tokens[end].start])
}

/// The index of the parenthesis that closes the one at `open`.
pub(super) fn closing(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}

/// Length of the first piece, and whether it is a token.
fn next(text: &str) -> (usize, bool) {
    let first = text.chars().next().unwrap_or(' ');
    if first.is_whitespace() {
        return (first.len_utf8(), false);
    }
    if text.starts_with("--") {
        return (text.find('\n').unwrap_or(text.len()), false);
    }
    if text.starts_with("/*") {
        return (block_comment(text), false);
    }
    let length = match first {
        '\'' | '"' => quoted(text, first, false),
        'e' | 'E' if text[1..].starts_with('\'') => 1 + quoted(&text[1..], '\'', true),
        '$' => dollar_quoted(text).unwrap_or(1),
        _ if word(first) => text.find(|c| !word(c)).unwrap_or(text.len()),
        _ => first.len_utf8(),
    };
    (length, true)
}

fn word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Length of a block comment, which may hold others.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Length of a quoted text; a doubled quote stays inside, and so does one after a backslash where those escape.
fn quoted(text: &str, quote: char, backslash: bool) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if backslash && c == '\\' {
            characters.next();
        } else if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    text.len()
}

/// Length of `$tag$ ... $tag$`.
fn dollar_quoted(text: &str) -> Option<usize> {
    let tag = text[1..].find('$').map(|end| &text[..end + 2])?;
    if !tag[1..tag.len() - 1].chars().all(word) || tag[1..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some(text[tag.len()..].find(tag).map_or(text.len(), |end| end + 2 * tag.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        tokens(sql).iter().map(|token| token.text).collect()
    }

    #[test]
    fn quotes_and_comments_hide_what_is_in_them() {
        assert_eq!(
            texts("select 'a;''b' -- ; x\n, \"c;\"\"d\" /* ; /* ; */ ; */ ;"),
            ["select", "'a;''b'", ",", "\"c;\"\"d\"", ";"]
        );
        assert_eq!(
            texts("e'it\\'s;' $$ ; $$ $t$ $$; $t$ x$1"),
            ["e'it\\'s;'", "$$ ; $$", "$t$ $$; $t$", "x", "$", "1"]
        );
        assert_eq!(texts("'unterminated ; --"), ["'unterminated ; --"]);
        assert_eq!(texts("ñandú=é"), ["ñandú", "=", "é"]);
    }

    #[test]
    fn statements_are_split_at_semicolons_only() {
        let found = tokens("select ';'; ; -- ;\nselect 2");
        assert_eq!(statements(&found).len(), 2);
    }

    #[test]
    fn statements_are_told_apart() {
        for one in [
            "select ';'",
            "from a;",
            "from a; -- all; of it\n",
            "select 1 /* ; */ as \"a;b\"",
            "select $x$ ; $x$",
        ] {
            assert!(only_statement(one).is_some(), "{one}");
        }
        for two in [
            "select 1; select 2",
            "from a;;from b",
            "select 'it''s'; drop table a",
            "--;\n select 1;\ncopy a to 'b'",
        ] {
            assert_eq!(only_statement(two), None);
        }
        assert_eq!(only_statement("from a; -- all; of it"), Some("from a"));
    }
}
