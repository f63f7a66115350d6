//! The text of `schema/<system>.sql`: its statements, and the line on which each table is made. Just enough of
//! PostgreSQL's lexical grammar for that; what the file means is PostgreSQL's to say.

use rust_i18n::t;

use crate::config::Project;
use crate::model::catalog::Catalog;
use crate::model::ident::TableName;

/// A statement of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Statement<'a> {
    /// Where its first word stands, counted from 1.
    pub(super) line: usize,
    pub(super) text: &'a str,
}

impl<'a> Statement<'a> {
    /// Its words, without what is in quotes but for names, as they are written.
    fn words(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.text.split(|c: char| c.is_whitespace() || c == '(').filter(|word| !word.is_empty())
    }

    /// What follows these words, `if not exists` left out; none where it begins otherwise.
    fn made(&self, begin: &[&str]) -> Option<&'a str> {
        let mut words = self.words();
        for expected in begin {
            if !words.next()?.eq_ignore_ascii_case(expected) {
                return None;
            }
        }
        let mut name = words.next()?;
        for skipped in ["if", "not", "exists"] {
            if name.eq_ignore_ascii_case(skipped) {
                name = words.next()?;
            }
        }
        Some(name)
    }

    /// The name of the extension that it makes.
    pub(super) fn extension(&self) -> Option<&'a str> {
        self.made(&["create", "extension"])
    }

    /// The schema that it makes, and whether that may be there before it.
    fn schema(&self) -> Option<(String, bool)> {
        let name = self.made(&["create", "schema"])?;
        Some((plain(name), self.words().nth(2)?.eq_ignore_ascii_case("if")))
    }

    fn table(&self) -> Option<TableName> {
        let name = self.made(&["create", "table"]).or_else(|| self.made(&["create", "unlogged", "table"]))?;
        Some(match name.split_once('.') {
            Some((schema, table)) => TableName::new(Some(&plain(schema)), &plain(table)),
            None => TableName::new(None, &plain(name)),
        })
    }
}

/// A name without its quotes, or as PostgreSQL reads it where it has none.
fn plain(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_lowercase(),
    }
}

/// The schemas that a file makes, each with whether it may be there before it (IF NOT EXISTS): then it is somebody else's.
pub fn schemas(sql: &str) -> Vec<(String, bool)> {
    statements(sql).iter().filter_map(Statement::schema).collect()
}

/// The tables that a file makes, each with its line, in the file's order.
pub fn tables(sql: &str) -> Vec<(TableName, usize)> {
    statements(sql).iter().filter_map(|statement| Some((statement.table()?, statement.line))).collect()
}

/// What to do about a table that the target lacks: apply the file to a database that has none of its tables, else run
/// what makes this one, by its line in the file. None for a table that the file does not make.
pub fn advice(project: &Project, system: &str, live: &Catalog, table: &TableName) -> Option<String> {
    let path = project.schema_file(system);
    let all = std::fs::read_to_string(&path).map(|sql| tables(&sql)).unwrap_or_default();
    let (_, line) = all.iter().find(|(name, _)| name == table)?;
    let shown = path.strip_prefix(project.root()).unwrap_or(&path).display();
    let some = all.iter().any(|(name, _)| live.tables.contains_key(name));
    let advice = match some {
        true => t!("pg.made_at", table = table, file = shown, line = line),
        false => t!("pg.make_all"),
    };
    Some(advice.into_owned())
}

/// Whether a statement begins or ends a transaction, or a part of one.
pub fn ends_transaction(sql: &str) -> bool {
    const WORDS: [&str; 8] = ["begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"];
    statements(sql).iter().any(|statement| {
        let mut words = statement.text.split_whitespace().map(str::to_lowercase);
        let first = words.next().unwrap_or_default();
        WORDS.contains(&first.as_str())
            || (first == "prepare" && words.next().as_deref() == Some("transaction"))
    })
}

/// Splits a file at the semicolons that are in no quotes and no comment; statements begin with their first word.
pub(super) fn statements(sql: &str) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    let (mut at, mut start) = (0, None);
    while at < sql.len() {
        let rest = &sql[at..];
        let (length, counts) = piece(rest);
        if rest.starts_with(';') {
            found.extend(start.take().map(|start| statement(sql, start, at)));
        } else if counts && start.is_none() {
            start = Some(at);
        }
        at += length;
    }
    found.extend(start.map(|start| statement(sql, start, sql.len())));
    found
}

fn statement(sql: &str, start: usize, end: usize) -> Statement<'_> {
    Statement { line: sql[..start].matches('\n').count() + 1, text: sql[start..end].trim_end() }
}

/// The length of what a text begins with, and whether that is more than white space or a comment.
fn piece(text: &str) -> (usize, bool) {
    let first = text.chars().next().map_or(1, char::len_utf8);
    if text.starts_with("--") {
        return (text.find('\n').unwrap_or(text.len()), false);
    }
    if text.starts_with("/*") {
        return (comment(text), false);
    }
    if let Some(tag) = dollar_tag(text) {
        let end = text[tag.len()..].find(tag).map_or(text.len(), |end| end + 2 * tag.len());
        return (end, true);
    }
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    if let Some(quote) = quote {
        return (text[1..].find(quote).map_or(text.len(), |end| end + 2), true);
    }
    // A word as a whole: `a$b$` is a name and no quote.
    let word = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len());
    match text.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        true if text[..word].eq_ignore_ascii_case("e") && text[word..].starts_with('\'') => {
            (word + escaped(&text[word..]), true)
        }
        true => (word, true),
        false => (first, !text.starts_with(char::is_whitespace)),
    }
}

/// Comments nest.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        match (rest.starts_with("/*"), rest.starts_with("*/")) {
            (true, _) => (depth, at) = (depth + 1, at + 2),
            (_, true) => (depth, at) = (depth - 1, at + 2),
            _ => at += rest.chars().next().map_or(1, char::len_utf8),
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// `$$` or `$body$`.
fn dollar_tag(text: &str) -> Option<&str> {
    let end = text.strip_prefix('$')?.find(|c: char| !(c.is_alphanumeric() || c == '_'))? + 1;
    let tag = text[..end].strip_prefix('$')?;
    (text[end..].starts_with('$') && !tag.starts_with(|c: char| c.is_ascii_digit())).then(|| &text[..=end])
}

/// `'it\'s'` after an E.
fn escaped(text: &str) -> usize {
    let mut backslash = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\'' if !backslash => return at + 1,
            '\\' => backslash = !backslash,
            _ => backslash = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_ended_by_statements_only() {
        for sql in
            ["commit", "select 1;\n-- done\n COMMIT ;", "/* a */ begin; select 1", "Prepare  transaction 'a'"]
        {
            assert!(ends_transaction(sql), "{sql}");
        }
        for sql in [
            "",
            "select 'a; commit;'",
            "do $$ begin perform 1; commit; end $$",
            "-- commit;\nselect 1",
            "update t set commit = 1",
            "prepare a as select 1",
        ] {
            assert!(!ends_transaction(sql), "{sql}");
        }
    }

    #[test]
    fn statements_end_at_semicolons_that_are_in_nothing_else() {
        let sql = "-- a; b\n/* c; /* d; */ */ create table \"a;b\" (x text default ';');\n\n\
            create function f() returns int language sql as $body$ select 1; $body$;\n\
            select E'it\\'s; one', a$b$ ; select 'a''; b';;\nselect 3";
        let found: Vec<_> =
            statements(sql).iter().map(|one| (one.line, &one.text[..12.min(one.text.len())])).collect();
        let expected = [
            (2, "create table"),
            (4, "create funct"),
            (5, "select E'it\\"),
            (5, "select 'a'';"),
            (6, "select 3"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn tables_are_found_with_their_lines() {
        let sql = "create extension if not exists citext;\nCREATE TABLE Person (id int);\n\n\
            create table if not exists lml.\"Odd\"(a int);\ncreate index on person (id); create temp table t (a int);";
        let found: Vec<_> = tables(sql).into_iter().map(|(table, line)| (table.quoted(), line)).collect();
        let names = ["person", "lml.Odd"].map(TableName::from).map(|name| name.quoted());
        assert_eq!(found, [(names[0].clone(), 2), (names[1].clone(), 4)]);
        assert_eq!(statements(sql)[0].extension(), Some("citext"));
    }
}
