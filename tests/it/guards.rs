//! Rules of this project that a compiler does not know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file with this extension below a folder, sorted.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    fn collect(folder: &Path, extension: &str, out: &mut Vec<PathBuf>) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                collect(&path, extension, out);
            } else if path.extension().is_some_and(|found| found == extension) {
                out.push(path);
            }
        }
    }
    let mut out = Vec::new();
    collect(&root().join(folder), extension, &mut out);
    out.sort();
    out
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What the module of a ring may import; `None` for a module that is in no ring.
fn allowed(module: &str) -> Option<BTreeSet<&'static str>> {
    const INNER: [&str; 2] = ["model", "error"];
    const ADAPTERS: [&str; 10] =
        ["sources", "staging", "dedupe", "desk", "snapshot", "codec", "pg", "aws", "http", "config"];
    const STAGES: [&str; 20] = [
        "load",
        "transform",
        "check",
        "export",
        "push",
        "verify",
        "rollback",
        "rehearse",
        "trace",
        "report",
        "signoff",
        "purge",
        "sample",
        "embed",
        "profile",
        "commands",
        "notify",
        "files",
        "archive",
        "users",
    ];
    let mut allowed = BTreeSet::from([leak(module)]);
    allowed.extend(INNER);
    match module {
        "cli" => {
            allowed.extend(ADAPTERS);
            allowed.extend(STAGES);
        }
        stage if STAGES.contains(&stage) => allowed.extend(ADAPTERS),
        "sources" | "dedupe" | "desk" => allowed.extend(["config", "staging"]),
        adapter if ADAPTERS.contains(&adapter) => allowed.extend(["config"]),
        inner if INNER.contains(&inner) => {}
        _ => return None,
    }
    Some(allowed)
}

fn leak(text: &str) -> &'static str {
    text.to_owned().leak()
}

/// The modules of this crate that a line of Rust names, as `crate::codec::Codec` or `use crate::{codec, pg}`.
fn named_modules(text: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        let group = rest.strip_prefix('{').map_or(rest, |group| group.split('}').next().unwrap_or_default());
        let parts: Vec<&str> = if rest.starts_with('{') { group.split(',').collect() } else { vec![group] };
        for part in parts {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            named.insert(part.trim().chars().take_while(|c| word(*c)).collect());
        }
    }
    named.remove("");
    named
}

#[test]
fn imports_point_inwards() {
    let mut wrong = Vec::new();
    for path in files("src", "rs") {
        let relative = path.strip_prefix(root().join("src")).unwrap();
        let module = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        if relative.components().count() == 1 {
            continue;
        }
        let allowed =
            allowed(&module).unwrap_or_else(|| panic!("src/{module} is in no ring: add it to DESIGN §6"));
        let text = read(&path);
        let code =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for name in named_modules(&code) {
            let is_module = root().join("src").join(&name).is_dir();
            if is_module && !allowed.contains(name.as_str()) {
                wrong.push(format!("{}: crate::{name}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the rings:\n{}", wrong.join("\n"));
}

#[test]
fn grouped_and_plain_imports_are_seen() {
    let found = named_modules("use crate::{codec, pg::Session};\nlet x = crate::model::ident::quoted(y);");
    assert_eq!(found, BTreeSet::from(["codec", "pg", "model"].map(str::to_owned)));
}

type Texts = BTreeMap<String, BTreeMap<String, String>>;

/// Key to language to text, of one file in `_version: 2` form.
fn locale(path: &Path) -> Texts {
    let mut texts = Texts::new();
    let mut key = String::new();
    for line in read(path).lines().filter(|line| !line.trim().is_empty() && !line.starts_with(['#', '_'])) {
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            assert!(!texts.contains_key(name), "{}: {name} twice", path.display());
            texts.insert(name.to_owned(), BTreeMap::new());
            key = name.to_owned();
        } else if let Some((language, text)) = line.trim().split_once(": ") {
            texts.entry(key.clone()).or_default().insert(language.to_owned(), text.to_owned());
        } else {
            panic!("{}: {line}", path.display());
        }
    }
    texts
}

fn locales() -> Texts {
    files("locales", "yml").iter().flat_map(|path| locale(path)).collect()
}

/// The keys of every `t!("...")`.
fn translated(code: &str) -> BTreeSet<String> {
    // Not the end of `format!(` or `assert!(`.
    let calls =
        code.match_indices("t!(").filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric()));
    let literals = calls.filter_map(|(at, call)| code[at + call.len()..].trim_start().strip_prefix('"'));
    literals.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split("%{").skip(1).filter_map(|rest| rest.split('}').next()).collect()
}

#[test]
fn every_text_is_there_in_both_languages_and_used() {
    let texts = locales();
    let code: String = files("src", "rs").iter().map(|path| read(path)).collect();
    let mut wrong = Vec::new();
    for key in translated(&code) {
        if !texts.contains_key(&key) {
            wrong.push(format!("{key} is used and in no locale"));
        }
    }
    for (key, languages) in &texts {
        // The English help is the doc comment of the argument, and a unit test of src/cli/language.rs holds the two together.
        let help = key.starts_with("help.");
        // Looked up by a count's name.
        let dynamic = key.starts_with("cli.count.");
        if !help && !languages.contains_key("en") || !languages.contains_key("es") {
            wrong.push(format!("{key} lacks a language"));
        }
        if !help && !dynamic && !code.contains(&format!("\"{key}\"")) {
            wrong.push(format!("{key} is not used"));
        }
        if let (Some(en), Some(es)) = (languages.get("en"), languages.get("es"))
            && placeholders(en) != placeholders(es)
        {
            wrong.push(format!("{key} has other values in Spanish than in English"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Nouns that a count must not stand before: with 1 the sentence would read wrong. It is `rows: 1`, or two texts, `.one` and
/// `.many`.
const PLURALS: [&str; 52] = [
    "rows",
    "records",
    "objects",
    "files",
    "tables",
    "years",
    "days",
    "columns",
    "cells",
    "pairs",
    "values",
    "texts",
    "codes",
    "decisions",
    "corrections",
    "recipients",
    "clinics",
    "sources",
    "models",
    "fields",
    "figures",
    "ids",
    "batches",
    "rounds",
    "findings",
    "sheets",
    "filas",
    "registros",
    "objetos",
    "archivos",
    "tablas",
    "años",
    "días",
    "columnas",
    "celdas",
    "parejas",
    "pares",
    "valores",
    "textos",
    "códigos",
    "decisiones",
    "correcciones",
    "destinatarios",
    "clínicas",
    "fuentes",
    "modelos",
    "campos",
    "cifras",
    "lotes",
    "vueltas",
    "hallazgos",
    "hojas",
];

/// Texts whose count is never one, or one of a whole.
const NEVER_ONE: [&str; 4] =
    ["rollback.ambiguous", "transform.stopped", "documents.detail.beyond", "cli.dedupe.cut_rules"];

#[test]
fn no_count_stands_before_a_plural() {
    let before_a_plural = |text: &str| {
        text.split("%{").skip(1).any(|rest| {
            let behind = rest
                .split_once("} ")
                .map_or("", |(name, behind)| if name.contains(' ') { "" } else { behind });
            let word: String = behind.chars().take_while(|c| c.is_alphabetic()).collect();
            PLURALS.contains(&word.as_str())
        })
    };
    assert!(before_a_plural("hay %{n} filas") && !before_a_plural("filas: %{n}, %{m} de más"));
    let mut wrong = Vec::new();
    for (key, languages) in locales() {
        let is_many = key.ends_with(".many") || NEVER_ONE.contains(&key.as_str()) || key.starts_with("help.");
        if !is_many && languages.values().any(|text| before_a_plural(text)) {
            wrong.push(key);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_sql_file_says_what_it_is() {
    let mut found = Vec::new();
    for folder in ["sql", "clinics", "src"] {
        found.extend(files(folder, "sql"));
    }
    assert!(!found.is_empty());
    let without: Vec<_> = found.iter().filter(|path| !read(path).starts_with("-- ")).collect();
    assert!(without.is_empty(), "no header: {without:#?}");
}

#[test]
fn every_control_says_what_of_it_was_rejected() {
    let of_rows = files("sql", "sql").into_iter().chain(files("clinics", "sql"));
    let controls = of_rows.filter(|path| path.parent().is_some_and(|folder| folder.ends_with("control")));
    for path in controls {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let reject = path.with_file_name(format!("{stem}.reject.sql"));
        assert!(stem.contains('.') || reject.exists(), "{} has no {}", path.display(), reject.display());
    }
}

#[test]
fn every_test_file_is_part_of_the_test() {
    let main = read(&root().join("tests/it/main.rs"));
    for entry in std::fs::read_dir(root().join("tests/it")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "rs") && name != "main" {
            assert!(main.contains(&format!("mod {name};")), "tests/it/{name}.rs is not declared in main.rs");
        }
    }
}

#[test]
fn no_source_file_tells_where_it_was_written() {
    // Paths of one machine in a committed file are a mistake, whoever's machine it is.
    let mut wrong = Vec::new();
    for path in files("src", "rs").into_iter().chain(files("sql", "sql")) {
        if read(&path).contains("/home/") || read(&path).contains("/Users/") {
            wrong.push(path);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// The settings that clinic.toml may have, as the code names them.
fn settings() -> BTreeSet<String> {
    let types = ["clinic", "source"].map(|name| {
        let text = read(&root().join(format!("src/config/{name}.rs")));
        text.split("impl ").next().unwrap().to_owned()
    });
    let fields =
        types.iter().flat_map(|text| text.lines()).filter_map(|line| line.trim().strip_prefix("pub "));
    let names = fields.filter_map(|field| field.split_once(": ")).map(|(name, _)| name.to_owned());
    // `targets` is [target.NAME] there, and what is left out is a command's.
    let hidden = ["left_out", "targets"];
    names.filter(|name| !hidden.contains(&name.as_str())).chain(["target".to_owned()]).collect()
}

#[test]
fn every_setting_is_in_the_reference_and_in_what_init_writes() {
    let readme = read(&root().join("README.md"));
    let reference = readme.split("\n## clinic.toml\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let settings = settings();
    assert!(settings.len() > 40 && settings.contains("sync_by"), "{settings:?}");
    for name in &settings {
        let shown = [format!("`{name}`"), format!("[{name}"), format!("`[[{name}]]`")];
        assert!(shown.iter().any(|shown| reference.contains(shown)), "README.md does not tell of {name}");
        for language in ["en", "es"] {
            let template = read(&root().join(format!("src/cli/init/clinic.{language}.toml")));
            let lines =
                template.lines().map(|line| line.trim_start_matches("{tenant}").trim_start_matches("# "));
            let starts = [format!("{name} = "), format!("[{name}"), format!("[[{name}]]")];
            let mut lines = lines.filter(|line| starts.iter().any(|start| line.starts_with(start)));
            assert!(lines.next().is_some(), "clinic.{language}.toml does not show {name}");
        }
    }
}

#[test]
fn what_init_writes_as_a_comment_is_valid_without_its_mark() {
    for language in ["en", "es"] {
        let template = read(&root().join(format!("src/cli/init/clinic.{language}.toml")));
        let filled = template.replace("{uid}", "01HZY3J7QG0000000000000000").replace("{tenant}", "");
        let filled =
            filled.replace("{product}", "\"p\"").replace("{system}", "\"s\"").replace("{name}", "acme");
        let setting = |line: &str| {
            let name = line.split(" = ").next().unwrap_or_default();
            line.starts_with('[')
                || name == "\"\""
                || (line.contains(" = ") && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        };
        let bare = |line: &str| match line.strip_prefix("# ") {
            Some(rest) if setting(rest) => rest.to_owned(),
            _ => line.to_owned(),
        };
        let text = filled.lines().map(bare).collect::<Vec<_>>().join("\n");
        let clinic: trasvase::config::Clinic =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((clinic.sources.len(), clinic.targets.len(), clinic.tables.len()), (2, 2, 1), "{text}");
    }
}
