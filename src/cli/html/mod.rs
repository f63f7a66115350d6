//! Pages that need nothing else: no script, no font, no picture from elsewhere, and a policy that forbids them.

pub(super) mod charts;
pub(super) mod flow;
pub(super) mod months;

use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");

/// Nothing is fetched from anywhere; what the page itself says may style it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// A whole page in the language chosen.
pub(super) fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(&*rust_i18n::locale()) {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    }
}
