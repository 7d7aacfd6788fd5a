//! Derives a source of Debian testing from the machine's own apt sources. Text in, text out.
//!
//! The mirror, its keyring and its other options stay what the administrator chose; only the suite
//! changes.
//!
//! Source: sources.list(5), for both formats.

use std::collections::BTreeMap;

/// One file of `/etc/apt/sources.list` and `/etc/apt/sources.list.d`.
pub(super) enum SourceFile {
    /// `*.list`: a source per line.
    OneLine(String),
    /// `*.sources`: a source per paragraph.
    Deb822(String),
}

/// Other names of Debian's releases than the codename.
const SUITE_NAMES: [&str; 5] = ["stable", "oldstable", "testing", "unstable", "sid"];

/// Fields that say how a mirror is trusted and fetched; the others concern what is fetched.
/// The second is the name in one-line sources.
const KEPT_FIELDS: [(&str, &str); 9] = [
    ("Signed-By", "signed-by"),
    ("Trusted", "trusted"),
    ("Architectures", "arch"),
    ("Allow-Insecure", "allow-insecure"),
    ("Allow-Weak", "allow-weak"),
    ("Check-Valid-Until", "check-valid-until"),
    ("Check-Date", "check-date"),
    ("Date-Max-Future", "date-max-future"),
    ("By-Hash", "by-hash"),
];

/// A deb822 source of testing's main component; `None` when no file names a Debian mirror.
///
/// `codename` is this machine's release: a source of anything else is some other vendor's.
pub(super) fn testing_source(files: &[SourceFile], codename: &str) -> Option<String> {
    files
        .iter()
        .flat_map(SourceFile::sources)
        .filter(|source| source.is_main_archive(codename))
        // Not max_by_key, which returns the last of equals: the administrator wrote the first one first.
        .reduce(|best, next| if next.confidence() > best.confidence() { next } else { best })
        .map(|source| source.as_testing())
}

impl SourceFile {
    fn sources(&self) -> Vec<Source> {
        match self {
            Self::OneLine(text) => text.lines().filter_map(Source::from_line).collect(),
            Self::Deb822(text) => paragraphs(text).iter().filter_map(Source::from_fields).collect(),
        }
    }
}

/// A place to fetch packages from.
struct Source {
    uris: String,
    suites: Vec<String>,
    components: Vec<String>,
    /// By their deb822 names, as far as [`KEPT_FIELDS`] names them.
    kept: BTreeMap<&'static str, String>,
}

impl Source {
    /// `deb [option=value ...] uri suite component...`
    fn from_line(line: &str) -> Option<Self> {
        let rest = line.split('#').next()?.trim().strip_prefix("deb")?;
        let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(inside) => inside.split_once(']')?,
            None => ("", rest),
        };
        let mut words = rest.split_whitespace().map(str::to_owned);
        let uris = words.next()?;
        let suites = vec![words.next()?];
        let options: BTreeMap<&str, &str> =
            options.split_whitespace().filter_map(|option| option.split_once('=')).collect();
        let kept = KEPT_FIELDS
            .iter()
            // Lists are comma-separated there and space-separated in deb822.
            .filter_map(|(field, option)| Some((*field, options.get(option)?.replace(',', " "))))
            .collect();
        Some(Self { uris, suites, components: words.collect(), kept })
    }

    fn from_fields(fields: &BTreeMap<String, String>) -> Option<Self> {
        let words = |field: &str| -> Vec<String> {
            fields
                .get(field)
                .map(|value| value.split_whitespace().map(str::to_owned).collect())
                .unwrap_or_default()
        };
        if fields.get("enabled").is_some_and(|value| value.trim() == "no")
            || !words("types").contains(&"deb".into())
        {
            return None;
        }
        let kept = KEPT_FIELDS
            .iter()
            .filter_map(|(field, _)| Some((*field, fields.get(&field.to_lowercase())?.clone())))
            .collect();
        Some(Self {
            uris: words("uris").join(" "),
            suites: words("suites"),
            components: words("components"),
            kept,
        })
    }

    /// Whether this can be Debian's archive: security updates and other vendors have other suites.
    fn is_main_archive(&self, codename: &str) -> bool {
        let debian = |suite: &String| suite == codename || SUITE_NAMES.contains(&suite.as_str());
        self.suites.iter().any(debian)
            && self.components.iter().any(|component| component == "main")
            && !self.uris.is_empty()
            && !self.uris.starts_with("cdrom:")
    }

    /// Some vendors use Debian's suite names; these signs tell Debian's own archive.
    fn confidence(&self) -> usize {
        let keyring =
            self.kept.get("Signed-By").is_some_and(|keyring| keyring.contains("debian-archive"));
        let path =
            self.uris.split_whitespace().any(|uri| uri.trim_end_matches('/').ends_with("/debian"));
        usize::from(keyring) + usize::from(path)
    }

    fn as_testing(&self) -> String {
        let kept: String =
            self.kept.iter().map(|(field, value)| format!("{field}: {value}\n")).collect();
        format!(
            "Types: deb\nURIs: {}\nSuites: testing\nComponents: main\nTargets: Packages\nLanguages: none\n{kept}",
            self.uris
        )
    }
}

/// The fields of each paragraph, by lower-case name. Values keep their continuation lines, which
/// may hold a whole key.
fn paragraphs(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut paragraphs = vec![BTreeMap::new()];
    let mut field = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.trim().is_empty() {
            paragraphs.push(BTreeMap::new());
            continue;
        }
        let Some(paragraph) = paragraphs.last_mut() else {
            continue;
        };
        if line.starts_with([' ', '\t']) {
            if let Some(value) = paragraph.get_mut(&field) {
                *value += "\n";
                *value += line;
            }
        } else if let Some((name, value)) = line.split_once(':') {
            field = name.to_lowercase();
            paragraph.insert(field.clone(), value.trim().to_owned());
        }
    }
    paragraphs
}

#[cfg(test)]
mod tests {
    use super::{SourceFile, testing_source};

    fn check_source(files: &[SourceFile], expected: Option<&[&str]>) {
        let expected = expected.map(|lines| {
            let common = "Suites: testing\nComponents: main\nTargets: Packages\nLanguages: none";
            let (uris, kept) = lines.split_first().unwrap();
            let mut text = format!("Types: deb\nURIs: {uris}\n{common}\n");
            kept.iter().for_each(|line| text += &format!("{line}\n"));
            text
        });
        assert_eq!(testing_source(files, "bookworm"), expected);
    }

    fn one_line(text: &str) -> SourceFile {
        SourceFile::OneLine(text.into())
    }

    fn deb822(text: &str) -> SourceFile {
        SourceFile::Deb822(text.into())
    }

    #[test]
    fn a_one_line_source_keeps_its_mirror_and_drops_its_suite() {
        check_source(
            &[one_line("deb http://m.example/debian bookworm main contrib # ours")],
            Some(&["http://m.example/debian"]),
        );
        check_source(
            &[one_line("deb\thttp://m.example/debian/  stable\tmain\n")],
            Some(&["http://m.example/debian/"]),
        );
    }

    #[test]
    fn options_of_a_one_line_source_become_fields() {
        check_source(
            &[one_line(
                "deb [ arch=amd64,i386 lang=de signed-by=/k.gpg trusted=yes ] https://m.example/d bookworm main",
            )],
            Some(&[
                "https://m.example/d",
                "Architectures: amd64 i386",
                "Signed-By: /k.gpg",
                "Trusted: yes",
            ]),
        );
    }

    #[test]
    fn a_paragraph_keeps_its_keyring() {
        let text = "Types: deb deb-src\n# a comment\nURIs: http://m.example/debian\n\
            Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /debian-archive-keyring.gpg\n";
        check_source(
            &[deb822(text)],
            Some(&["http://m.example/debian", "Signed-By: /debian-archive-keyring.gpg"]),
        );
    }

    #[test]
    fn a_key_inside_a_paragraph_stays_whole() {
        let text = "types: deb\nuris: http://m.example/debian\nsuites: bookworm\ncomponents: main\n\
            signed-by:\n -----BEGIN\n .\n AbC=\n -----END\n";
        check_source(
            &[deb822(text)],
            Some(&["http://m.example/debian", "Signed-By: \n -----BEGIN\n .\n AbC=\n -----END"]),
        );
    }

    #[test]
    fn several_mirrors_of_one_source_all_stay() {
        let text = "Types: deb\nURIs: http://a.example/debian\n http://b.example/debian\nSuites: bookworm\nComponents: main\n";
        check_source(&[deb822(text)], Some(&["http://a.example/debian http://b.example/debian"]));
    }

    #[test]
    fn debian_is_preferred_to_a_vendor_who_uses_its_suite_names() {
        check_source(
            &[
                one_line("deb http://v.example/repository bookworm main\n"),
                one_line(
                    "deb http://m.example/debian bookworm main\ndeb http://n.example/debian bookworm main\n",
                ),
            ],
            Some(&["http://m.example/debian"]),
        );
    }

    #[test]
    fn what_is_no_source_of_this_release_is_passed_over() {
        let deb822_cases = [
            "Types: deb\nURIs: http://m.example/debian-security\nSuites: bookworm-security\nComponents: main\n",
            "Types: deb\nURIs: http://m.example/debian\nSuites: bookworm\nComponents: contrib\n",
            "Types: deb-src\nURIs: http://m.example/debian\nSuites: bookworm\nComponents: main\n",
            "Enabled: no\nTypes: deb\nURIs: http://m.example/debian\nSuites: bookworm\nComponents: main\n",
            "",
        ];
        for text in deb822_cases {
            check_source(&[deb822(text)], None);
        }
        let lines = [
            "# deb http://m.example/debian bookworm main",
            "deb-src http://m.example/debian bookworm main",
            "deb cdrom:[Debian_12]/ bookworm main",
            "deb http://v.example/apt nodistro main",
            "deb http://m.example/debian",
            "deb",
        ];
        for text in lines {
            check_source(&[one_line(text)], None);
        }
    }
}
