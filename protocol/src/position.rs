//! Where in the text of a configuration file something stands. Pure.

use toml::de::{DeTable, DeValue};

/// The line of byte `offset`, counted from 1.
#[must_use]
pub fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The key on the line of byte `offset`, when it has the form `key = value`.
#[must_use]
pub fn key_at(text: &str, offset: usize) -> Option<String> {
    let line = text.lines().nth(line_at(text, offset) - 1)?;
    let (key, _) = line.split_once('=')?;
    Some(key.trim().to_owned())
}

/// The line of `key`, whose parts are joined by dots and count arrays from 0; of the longest part
/// of it that the text has, else 1.
#[must_use]
pub fn line_of(text: &str, key: &str) -> usize {
    let Ok(root) = DeTable::parse(text) else {
        return 1;
    };
    let mut offset = 0;
    let mut table = Some(root.get_ref());
    let mut array = None;
    for part in key.split('.') {
        let value = match (table, array) {
            (Some(here), _) => {
                let found = here.iter().find(|(name, _)| name.get_ref().as_ref() == part);
                found.map(|(name, value)| (name.span().start, value))
            }
            (None, Some(here)) => {
                let here: &toml::de::DeArray<'_> = here;
                let found = part.parse().ok().and_then(|n: usize| here.get(n));
                found.map(|value| (value.span().start, value))
            }
            (None, None) => None,
        };
        let Some((start, value)) = value else {
            break;
        };
        offset = start;
        (table, array) = children(value.get_ref());
    }
    line_at(text, offset)
}

type Children<'a, 'i> = (Option<&'a DeTable<'i>>, Option<&'a toml::de::DeArray<'i>>);

fn children<'a, 'i>(value: &'a DeValue<'i>) -> Children<'a, 'i> {
    match value {
        DeValue::Table(table) => (Some(table), None),
        DeValue::Array(array) => (None, Some(array)),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[a]\nb = 1\n\n[[c]]\nd = 2\n\n[[c]]\nd = 3\n[[c.e]]\nf = 4\n";

    #[test]
    fn a_key_is_found_on_its_line() {
        for (key, line) in
            [("a.b", 2), ("c.0.d", 5), ("c.1.d", 8), ("c.1.e.0.f", 10), ("c.1.x", 7), ("x", 1)]
        {
            assert_eq!(line_of(TEXT, key), line, "{key}");
        }
    }

    #[test]
    fn the_key_of_a_line_is_read_from_it() {
        assert_eq!(key_at(TEXT, 6).as_deref(), Some("b"));
        assert_eq!(key_at(TEXT, 0), None);
    }
}
