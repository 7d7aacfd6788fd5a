//! Forms in which the original's services kept data, and what they are here. A service that the
//! original did not have has no row: its data travels as it is.

/// A format of a guest that has a classic form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    /// The guest's tag: text, compressed by zstd.
    pub(super) format: &'static str,
    /// How the classic file's name ends: the same text, compressed by gzip.
    pub(super) suffix: &'static str,
}

const FORMS: &[Form] = &[Form { format: "mysql-dump/1", suffix: ".sql.gz" }];

/// The classic form of `format`; `None` when it has none.
pub(super) fn of_format(format: &str) -> Option<Form> {
    FORMS.iter().copied().find(|form| form.format == format)
}

/// What a file called `name` is to a guest that reads `formats`; `None` when it is nothing to it.
pub(super) fn of_name(name: &str, formats: &[String]) -> Option<Form> {
    let reads = |form: &&Form| formats.iter().any(|format| format == form.format);
    FORMS.iter().filter(reads).copied().find(|form| name.ends_with(form.suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_the_guest_reads() {
        let mysql = ["mysql-dump/1".to_owned()];
        let files = ["files-tar/1".to_owned()];
        assert_eq!(of_name("7.sql.gz", &mysql), of_format("mysql-dump/1"));
        assert_eq!(of_name("7.sql.gz", &files), None);
        assert_eq!(of_name("7.rdb", &mysql), None);
        assert_eq!(of_format("files-tar/1"), None);
    }
}
