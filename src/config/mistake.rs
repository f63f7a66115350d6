//! Mistakes in a TOML file: where, what is expected, and what was probably meant.

use std::ops::Range;

use rust_i18n::t;

use super::nearest;
use crate::error::Failure;

/// The failure of reading TOML, of a file by its text: where, the parser's words, then what to write.
pub(super) fn of(path: &str, text: Option<&str>, error: &toml::de::Error) -> Failure {
    let said = t!("error.toml_says", words = error.message());
    let failure = match text.zip(error.span()) {
        Some((text, span)) => at(path, text, &span, &said),
        None => {
            // What is in no file is told by its keys.
            let shown = error.to_string();
            let keys = shown.lines().last().and_then(|line| line.strip_prefix("in "));
            let path = keys.map_or_else(|| path.to_owned(), |keys| format!("{path} {keys}"));
            Failure::usage(t!("config.bad_toml", path = path, error = said))
        }
    };
    let failure = match meant(error.message()) {
        Some((wrong, names)) => failure.hint(t!("config.meant", wrong = wrong, names = names)),
        None => failure,
    };
    failure.hint(t!("config.bad_toml_hint"))
}

/// What is wrong with a part of a file, with its first line.
pub(super) fn at(path: &str, text: &str, span: &Range<usize>, said: &str) -> Failure {
    let from = (0..=span.start.min(text.len())).rfind(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let start = text[..from].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let (number, before) = (text[..start].matches('\n').count() + 1, text[start..from].chars().count());
    let most = line.chars().count().saturating_sub(before);
    let marked = text.get(from..span.end).map_or(1, |part| part.chars().count()).min(most).max(1);
    let place = format!("{path}:{number}:{}", before + 1);
    let (told, gutter) =
        (t!("config.bad_toml", path = place, error = said), " ".repeat(number.to_string().len()));
    let mark = " ".repeat(before) + &"^".repeat(marked);
    Failure::usage(format!("{told}\n{gutter} |\n{number} | {}\n{gutter} | {mark}", line.replace('\t', " ")))
}

/// The unknown name of a message, and the expected ones that look like it.
fn meant(message: &str) -> Option<(String, String)> {
    // unknown field `x`, expected one of `a`, `b`
    let mut names = message.split('`').skip(1).step_by(2).map(str::to_owned);
    let wrong = message.starts_with("unknown ").then(|| names.next())??;
    let known: Vec<String> = names.collect();
    let near = nearest(&wrong, &known).join(", ");
    (!near.is_empty()).then_some((wrong, near))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_marked_in_its_line() {
        let text = "a = 1\n\u{f1}\t= [\u{f1}\nb = 2";
        for (span, told) in [
            (0..1, "f:1:1 is not valid: x\n  |\n1 | a = 1\n  | ^"),
            (6..text.len(), "f:2:1 is not valid: x\n  |\n2 | \u{f1} = [\u{f1}\n  | ^^^^^^"),
            (8..9, "f:2:2 is not valid: x\n  |\n2 | \u{f1} = [\u{f1}\n  |  ^"),
            (text.len()..text.len(), "f:3:6 is not valid: x\n  |\n3 | b = 2\n  |      ^"),
            (99..100, "f:3:6 is not valid: x\n  |\n3 | b = 2\n  |      ^"),
        ] {
            assert_eq!(at("f", text, &span, "x").message, told);
        }
    }

    #[test]
    fn only_unknown_names_have_near_ones() {
        let meant = |message| meant(message).map(|(wrong, names)| format!("{wrong} {names}"));
        assert_eq!(
            meant("unknown field `delimeter`, expected one of `delimiter`, `files`").as_deref(),
            Some("delimeter delimiter")
        );
        assert_eq!(
            meant("unknown variant `apend`, expected `append` or `x`").as_deref(),
            Some("apend append")
        );
        assert_eq!(meant("unknown field `zzzzzz`, expected one of `delimiter`, `files`"), None);
        assert_eq!(meant("missing field `files`"), None);
    }
}
