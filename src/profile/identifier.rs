//! Names of columns and tables for what a source calls otherwise.

/// A name in small ASCII letters, digits and `_`: `fechaAlta` and `Fecha Alta` are `fecha_alta`.
pub(super) fn identifier(text: &str) -> String {
    let mut name = String::new();
    let mut before = '_';
    for c in text.chars() {
        if c.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit()) {
            name.push('_');
        }
        before = c;
        for plain in c.to_lowercase() {
            name.push(match plain {
                'á' | 'à' | 'ä' | 'â' | 'ã' | 'å' | 'ª' => 'a',
                'é' | 'è' | 'ë' | 'ê' => 'e',
                'í' | 'ì' | 'ï' | 'î' => 'i',
                'ó' | 'ò' | 'ö' | 'ô' | 'õ' | 'º' => 'o',
                'ú' | 'ù' | 'ü' | 'û' => 'u',
                'ñ' => 'n',
                'ç' => 'c',
                plain if plain.is_ascii_alphanumeric() => plain,
                _ => '_',
            });
        }
    }
    let parts: Vec<&str> = name.split('_').filter(|part| !part.is_empty()).collect();
    let name = parts.join("_");
    match name.chars().next() {
        Some(first) if first.is_ascii_digit() => format!("c_{name}"),
        Some(_) => reserved(name),
        None => "column_0".to_owned(),
    }
}

/// SQL's own words among the names that exports like.
fn reserved(name: String) -> String {
    const WORDS: [&str; 15] = [
        "at",
        "order",
        "group",
        "user",
        "table",
        "select",
        "from",
        "to",
        "end",
        "desc",
        "asc",
        "check",
        "default",
        "primary",
        "references",
    ];
    if WORDS.contains(&name.as_str()) { format!("{name}_") } else { name }
}

#[cfg(test)]
mod tests {
    use super::identifier;

    #[test]
    fn names_become_identifiers() {
        for (text, name) in [
            ("fechaAlta", "fecha_alta"),
            ("Nº Historia", "no_historia"),
            ("F. Nacimiento", "f_nacimiento"),
            ("user.createdAt", "user_created_at"),
            ("2024", "c_2024"),
            ("order", "order_"),
            ("¿?", "column_0"),
        ] {
            assert_eq!(identifier(text), name);
        }
    }
}
