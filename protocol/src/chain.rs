//! What is logged of an error: itself and its causes, once each, and no secret.

use std::error::Error;
use std::fmt;

use serde_json::error::Category;

/// Causes beyond it are left out.
const LONGEST: usize = 16;

/// An error with its causes: `the store is away: cannot connect: connection refused`.
///
/// A cause that says what was said before is left out. What was read and is no JSON of the expected
/// form is not shown, only where it is wrong; and a URL is shown without login and query.
#[must_use]
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> Chain<'a> {
    Chain(error)
}

/// See [`chain`].
#[derive(Clone, Copy)]
pub struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for error in std::iter::successors(Some(self.0), |error| (**error).source()).take(LONGEST) {
            let said = said(error);
            if text.contains(&said) {
                continue;
            }
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&said);
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn said(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<serde_json::Error>() {
        Some(error) => what_is_wrong(error),
        None => without_logins(&error.to_string()),
    }
}

/// What was expected, and not what was there: it may be a part of a credential.
fn what_is_wrong(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let quotes_nothing = match error.classify() {
        Category::Io | Category::Syntax | Category::Eof => true,
        Category::Data => text.starts_with("missing field") || text.starts_with("duplicate field"),
    };
    if quotes_nothing {
        return text;
    }
    match text.rsplit_once(", expected ") {
        Some((_there, expected)) => format!("wrong JSON: expected {expected}"),
        None => "wrong JSON: a value is none that may stand there".to_owned(),
    }
}

/// `text` with the URLs in it shortened: neither login nor query.
#[must_use]
pub fn without_logins(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ')' | '>' | ',');
        let (url, after) = after.split_at(after.find(ends).unwrap_or(after.len()));
        let (plain, query) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
        let (authority, path) = plain.split_at(plain.find('/').unwrap_or(plain.len()));
        let host = authority.rsplit('@').next().unwrap_or_default();
        shown.extend([before, "://", host, path, if query.is_empty() { "" } else { "?..." }]);
        rest = after;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Link(&'static str, Option<Box<dyn Error>>);

    impl fmt::Display for Link {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Link {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref()
        }
    }

    fn check(links: &[&'static str], expected: &str) {
        let because = |cause: Option<Box<dyn Error>>, &text: &&'static str| {
            Some(Box::new(Link(text, cause)) as Box<dyn Error>)
        };
        let error = links.iter().rev().fold(None, because).unwrap();
        assert_eq!(chain(&*error).to_string(), expected);
    }

    #[test]
    fn each_cause_is_said_once() {
        check(&["no record"], "no record");
        check(
            &["no record", "the store is away", "refused"],
            "no record: the store is away: refused",
        );
        check(&["IO error: refused", "refused"], "IO error: refused");
        check(&["a", "a", "", "b"], "a: b");
    }

    #[test]
    fn a_chain_without_an_end_has_one() {
        let link = |text: String| -> &'static str { text.leak() };
        let links: Vec<&'static str> = (0..100).map(|n| link(format!("<{n}>"))).collect();
        let because = |cause: Option<Box<dyn Error>>, &text: &&'static str| {
            Some(Box::new(Link(text, cause)) as Box<dyn Error>)
        };
        let error = links.iter().rev().fold(None, because).unwrap();
        assert!(chain(&*error).to_string().ends_with(": <15>"));
    }

    #[test]
    fn a_url_loses_login_and_query() {
        for (text, expected) in [
            ("nats://gw:hunter2@10.0.0.1:4222 is away", "nats://10.0.0.1:4222 is away"),
            ("(http://cc/v2/x?q=1&token=hunter2)", "(http://cc/v2/x?...)"),
            ("a nats://u:hunter2@a,nats://u:hunter2@b", "a nats://a,nats://b"),
            ("http://a/b@c did not answer", "http://a/b@c did not answer"),
            ("no URL: http: //", "no URL: http: //"),
        ] {
            assert_eq!(without_logins(text), expected);
        }
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Yes,
    }

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Read {
        word: Word,
        number: u32,
    }

    #[test]
    fn what_was_read_is_not_shown() {
        for (read, expected) in [
            (r#"{"word":"hunter2","number":1}"#, "wrong JSON: expected `yes` at line 1 column 17"),
            (
                r#"{"word":"yes","number":"hunter2"}"#,
                "wrong JSON: expected u32 at line 1 column 32",
            ),
            (
                r#"{"word":"yes","number":", expected hunter2"}"#,
                "wrong JSON: expected u32 at line 1 column 43",
            ),
            (r#"{"word":"yes"}"#, "missing field `number` at line 1 column 14"),
            (r#"{"hunter2"#, "EOF while parsing a string at line 1 column 9"),
        ] {
            let error = serde_json::from_str::<Read>(read).unwrap_err();
            assert_eq!(chain(&error).to_string(), expected);
        }
        let error = serde_json::from_str::<crate::NodeId>("\"hunter 2\"").unwrap_err();
        assert_eq!(chain(&error).to_string(), "wrong JSON: a value is none that may stand there");
    }
}
