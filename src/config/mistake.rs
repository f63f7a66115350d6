//! Mistakes in a TOML file: where, what is expected, and what was probably meant.

use rust_i18n::t;

use super::nearest;
use crate::error::Failure;

/// The failure of reading a file: the parser's words with line and column, then what to write.
pub(super) fn of(path: &str, error: &toml::de::Error) -> Failure {
    let failure = Failure::usage(t!("config.bad_toml", path = path, error = error.to_string().trim_end()));
    let failure = match meant(error.message()) {
        Some((wrong, names)) => failure.hint(t!("config.meant", wrong = wrong, names = names)),
        None => failure,
    };
    failure.hint(t!("config.bad_toml_hint"))
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
