//! Where DuckDB's errors point. What stands in a macro's body keeps its position in the text that created the macro, but
//! DuckDB shows that position in the text of the statement which called it, where something else stands. So every
//! macro's text begins at a position of its own, below as many empty lines as there are bytes of macros before it, and
//! every model's text below them all: a line up to there is a byte of a macro.

use rust_i18n::t;
use sha2::{Digest as _, Sha256};

use super::graph::Node;
use super::macros::{Macro, Macros};
use super::problem::{self, Problem};
use super::tree::{Call, Uses};
use crate::config::SqlFile;
use crate::model::hex;

impl Macro {
    /// The statement at its position.
    pub(super) fn placed(&self) -> String {
        format!("{}{}", "\n".repeat(self.position), self.statement)
    }

    /// Changes with the statement's text or position.
    pub(super) fn placed_hash(&self) -> String {
        hex(Sha256::digest(self.placed()))
    }
}

impl Macros {
    /// The statement of a model, below the positions of all macros.
    pub(super) fn below(&self, statement: &str) -> String {
        format!("{}{statement}", "\n".repeat(self.length))
    }

    /// What DuckDB says of a model's statement, which has one line above the file's text: in that file, or in the file
    /// of a macro that it calls.
    pub(super) fn problem_of_model(&self, node: &Node, error: &str) -> Problem {
        let (file, uses) = (&node.file, node.query.as_ref().map(|query| &query.uses));
        self.within_macro(file, error).unwrap_or_else(|| {
            let problem = Problem::from_duckdb(&file.path, &file.text, self.length + 1, error);
            self.within_body(problem, file, uses)
        })
    }

    /// What DuckDB says of a macro's statement: in its file, or in that of a macro that it calls.
    pub(super) fn problem_of_macro(&self, found: &Macro, error: &str) -> Problem {
        let called = problem::line(error).is_some_and(|line| line <= found.position);
        called
            .then(|| self.within_macro(&found.file, error))
            .flatten()
            .unwrap_or_else(|| Problem::of_statement(&found.file, found.position, found.lines_above(), error))
    }

    fn within_macro(&self, caller: &SqlFile, error: &str) -> Option<Problem> {
        let position = problem::line(error)?.checked_sub(1)?;
        let found = self.at(position)?;
        let offset = found.start + position - found.position;
        let problem = in_macro(found, offset, caller, &problem::sentence_of(error));
        Some(self.within_body(problem, &found.file, Some(&found.uses)))
    }

    /// DuckDB marks the call where the outermost part of a macro's body fails, and wherever a table macro does: shown is
    /// the body. A call that fits no overload is the caller's fault.
    fn within_body(&self, problem: Problem, caller: &SqlFile, uses: Option<&Uses>) -> Problem {
        if problem.message().starts_with("Macro ") {
            return problem;
        }
        let marked = |call: &&Call| call.offset.is_some_and(|offset| problem.stands_at(caller, offset));
        let calls = uses.iter().flat_map(|uses| &uses.calls);
        let Some(found) = calls.filter(marked).find_map(|call| self.get(&call.name)) else { return problem };
        let inner = in_macro(found, found.body, caller, problem.message());
        self.within_body(inner, &found.file, Some(&found.uses))
    }

    /// The macro whose text holds a position.
    fn at(&self, position: usize) -> Option<&Macro> {
        let holds =
            |found: &&Macro| (found.position..found.position + found.statement.len()).contains(&position);
        self.all().find(holds)
    }
}

fn in_macro(found: &Macro, offset: usize, caller: &SqlFile, message: &str) -> Problem {
    let note = t!("transform.in_macro", name = found.name, caller = caller.path);
    Problem::of_duckdb_at(&found.file, offset, message).with_note(note)
}
