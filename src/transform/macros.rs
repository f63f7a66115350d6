//! SQL macros: read from their files, checked and fingerprinted like models, created in the order in which they call
//! each other.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use rust_i18n::t;
use sha2::{Digest as _, Sha256};

use super::name::Name;
use super::problem::Problem;
use super::token::{Token, closing, statements, tokens};
use super::tree::{TableUse, Uses};
use super::workbench::{Fault, Workbench};
use crate::config::{Clinic, Project, SqlFile, macro_files};
use crate::model::hex;

/// One macro, all its overloads.
#[derive(Debug, Clone)]
pub(super) struct Macro {
    pub(super) name: String,
    pub(super) file: SqlFile,
    /// `create or replace macro ...`
    pub(super) statement: String,
    /// Byte of the statement in its file.
    pub(super) start: usize,
    /// Byte of its first overload's body in its file.
    pub(super) body: usize,
    /// Bytes of other macros before it, in the order of `in_order`: see `place`.
    pub(super) position: usize,
    /// It stands in FROM clauses.
    pub(super) table: bool,
    /// Parameters and bodies, without positions, white space and comments.
    pub(super) fingerprint: String,
    /// Offsets are bytes of the file.
    pub(super) uses: Uses,
}

impl Macro {
    /// Lines of the file above the statement.
    pub(super) fn lines_above(&self) -> usize {
        self.file.text[..self.start].matches('\n').count()
    }
}

/// All macros by lower-case name.
#[derive(Debug, Clone, Default)]
pub(super) struct Macros {
    by_name: BTreeMap<String, Macro>,
    /// Where the positions of all macros end.
    pub(super) length: usize,
}

impl Macros {
    /// Reads every macro file of a clinic.
    pub(super) fn read(
        project: &Project,
        clinic: &Clinic,
        workbench: &Workbench,
        problems: &mut Vec<Problem>,
    ) -> Result<Self> {
        let mut macros = Self::default();
        for file in macro_files(project, clinic)? {
            for found in read_file(&file, workbench)? {
                match found {
                    Ok(found) => drop(macros.by_name.insert(found.name.clone(), found)),
                    Err(fault) => problems.push(Problem::at(&file, fault.offset, fault.message)),
                }
            }
        }
        for found in macros.by_name.values() {
            for fault in workbench.faults(&found.uses, &|name| macros.contains(name)) {
                problems.push(Problem::at(&found.file, fault.offset, fault.message));
            }
            if macros.closure(&found.uses).contains(&found.name) {
                let message = t!("transform.macro_cycle", name = found.name);
                problems.push(Problem::at(&found.file, Some(found.start), message));
            }
        }
        macros.lay_out();
        Ok(macros)
    }

    /// Gives each macro its position, those that it calls before it.
    fn lay_out(&mut self) {
        let order: Vec<String> =
            self.in_order(self.names()).into_iter().map(|found| found.name.clone()).collect();
        for name in order {
            if let Some(found) = self.by_name.get_mut(&name) {
                found.position = self.length;
                self.length += found.statement.len() + 1;
            }
        }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Macro> {
        self.by_name.get(name)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Macro> {
        self.by_name.values()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.by_name.keys()
    }

    /// The macros that a query calls, and those that they call.
    pub(super) fn closure(&self, uses: &Uses) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut waiting: Vec<&Uses> = vec![uses];
        while let Some(uses) = waiting.pop() {
            for call in &uses.calls {
                if let Some(called) = self.by_name.get(&call.name)
                    && found.insert(call.name.clone())
                {
                    waiting.push(&called.uses);
                }
            }
        }
        found
    }

    /// The tables that a macro reads, directly or through others.
    pub(super) fn tables(&self, found: &Macro) -> BTreeSet<Name> {
        let called = self.closure(&found.uses);
        let all = called.iter().filter_map(|name| self.get(name)).chain([found]);
        all.flat_map(|found| &found.uses.tables).map(TableUse::name).collect()
    }

    /// The same names, each after those that it calls: the order in which they can be created.
    pub(super) fn in_order<'a>(&'a self, names: impl IntoIterator<Item = &'a String>) -> Vec<&'a Macro> {
        let mut ordered: Vec<&Macro> = Vec::new();
        let mut seen = BTreeSet::new();
        for name in names {
            self.visit(name, &mut seen, &mut ordered);
        }
        ordered
    }

    fn visit<'a>(&'a self, name: &str, seen: &mut BTreeSet<String>, ordered: &mut Vec<&'a Macro>) {
        let Some(found) = self.by_name.get(name) else { return };
        if !seen.insert(name.to_owned()) {
            return;
        }
        for call in &found.uses.calls {
            self.visit(&call.name, seen, ordered);
        }
        ordered.push(found);
    }
}

/// Each statement of a file as a macro, or what is wrong with it.
fn read_file(file: &SqlFile, workbench: &Workbench) -> Result<Vec<std::result::Result<Macro, Fault>>> {
    let tokens = tokens(&file.text);
    statements(&tokens).into_iter().map(|statement| read_statement(file, statement, workbench)).collect()
}

fn read_statement(
    file: &SqlFile,
    statement: &[Token<'_>],
    workbench: &Workbench,
) -> Result<std::result::Result<Macro, Fault>> {
    let (Some(first), Some(last)) = (statement.first(), statement.last()) else {
        return Ok(Err(Fault::new(None, t!("transform.not_macro"))));
    };
    let head = ["create", "or", "replace", "macro"];
    let is_macro = statement.len() > 5 && statement.iter().zip(head).all(|(token, word)| token.is(word));
    if !is_macro || statement[5].text != "(" {
        return Ok(Err(Fault::new(Some(first.start), t!("transform.not_macro"))));
    }
    let Some(definitions) = definitions(&statement[5..]) else {
        return Ok(Err(Fault::new(Some(statement[5].start), t!("transform.not_macro"))));
    };
    let mut uses = Uses::default();
    let mut hash = Sha256::new();
    let table = definitions.iter().any(|definition| definition.table);
    let body =
        definitions.iter().find_map(|definition| definition.body.first()).map_or(0, |token| token.start);
    for definition in definitions {
        let (Some(from), Some(to)) = (definition.body.first(), definition.body.last()) else {
            return Ok(Err(Fault::new(Some(last.start), t!("transform.not_macro"))));
        };
        // An expression becomes a query by the word select in front, so its offsets move by that much.
        let prefix = if definition.table { "" } else { "select " };
        let query = match workbench.parse(&format!("{prefix}{}", &file.text[from.start..to.end()]))? {
            Ok(query) => query,
            Err(fault) => {
                return Ok(Err(Fault::new(
                    fault.offset.map(|at| at + from.start - prefix.len()),
                    fault.message,
                )));
            }
        };
        let parameters: Vec<&str> = definition.parameters.iter().map(|token| token.text).collect();
        hash.update(format!("{} {} {}\n", parameters.join(" "), definition.table, query.fingerprint));
        extend(&mut uses, query.uses, from.start, prefix.len());
    }
    Ok(Ok(Macro {
        name: statement[4].text.trim_matches('"').to_lowercase(),
        statement: file.text[first.start..last.end()].to_owned(),
        start: first.start,
        body,
        position: 0,
        table,
        fingerprint: hex(hash.finalize()),
        uses,
        file: file.clone(),
    }))
}

/// One overload of a macro.
struct Definition<'a> {
    parameters: &'a [Token<'a>],
    table: bool,
    body: &'a [Token<'a>],
}

/// Reads `(parameters) as [table] body`, separated by commas where a macro is overloaded.
fn definitions<'a>(tokens: &'a [Token<'a>]) -> Option<Vec<Definition<'a>>> {
    let close = closing(tokens, 0)?;
    tokens.get(close + 1).filter(|token| token.is("as"))?;
    let table = tokens.get(close + 2)?.is("table");
    let start = close + 2 + usize::from(table);
    let next = (start..tokens.len()).find(|index| begins_overload(tokens, start, *index, table));
    let body = &tokens[start..next.unwrap_or(tokens.len())];
    let mut found = vec![Definition { parameters: &tokens[1..close], table, body }];
    if let Some(next) = next {
        found.extend(definitions(&tokens[next + 1..])?);
    }
    Some(found)
}

/// Whether the comma at `index` ends a body that began at `start`: `, (...) as`, for tables `, (...) as table`.
fn begins_overload(tokens: &[Token<'_>], start: usize, index: usize, table: bool) -> bool {
    let comma = tokens[index].text == "," && tokens.get(index + 1).is_some_and(|token| token.text == "(");
    if !comma || depth(&tokens[start..index]) != 0 {
        return false;
    }
    closing(tokens, index + 1).is_some_and(|close| {
        tokens.get(close + 1).is_some_and(|token| token.is("as"))
            && (!table || tokens.get(close + 2).is_some_and(|token| token.is("table")))
    })
}

fn depth(tokens: &[Token<'_>]) -> i64 {
    tokens
        .iter()
        .map(|token| match token.text {
            "(" | "[" | "{" => 1,
            ")" | "]" | "}" => -1,
            _ => 0,
        })
        .sum()
}

/// Adds what a body uses, with offsets turned into bytes of the file.
fn extend(uses: &mut Uses, mut other: Uses, start: usize, prefix: usize) {
    let moved = |offset: &mut Option<usize>| *offset = offset.map(|at| (at + start).saturating_sub(prefix));
    other.tables.iter_mut().for_each(|table| moved(&mut table.offset));
    other.calls.iter_mut().for_each(|call| moved(&mut call.offset));
    other.forbidden.iter_mut().for_each(|(_, offset)| moved(offset));
    uses.tables.extend(other.tables);
    uses.calls.extend(other.calls);
    uses.forbidden.extend(other.forbidden);
}
