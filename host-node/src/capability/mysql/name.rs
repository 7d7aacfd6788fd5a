//! Names on a server: what they are made from, which a guest may name, and how they are quoted.
//!
//! The only place where text becomes part of a statement. A name is letters and digits because it
//! exists, and is quoted all the same.

use sha2::{Digest, Sha256};

use super::error::MysqlError;

/// Bounds of what a guest gives.
const MAX_DATABASE_LABEL: usize = 40;
const MAX_ACCOUNT_LABEL: usize = 64;

/// Longest user name that every server takes.
const MAX_USER: usize = 32;

/// Letters of a made user name behind the prefix: 77 bits, and with a prefix of one letter no
/// longer than the 16 that clients of 2013 take.
const USER_LETTERS: usize = 15;

/// What no prefix and label may add up to.
const RESERVED_DATABASES: [&str; 2] = ["mysql", "sys"];
const RESERVED_USERS: [&str; 3] = ["root", "mysql", "public"];

/// What an offering's names begin with; no two offerings of a node share a beginning.
#[derive(Debug, Clone)]
pub(super) struct Prefixes {
    /// `[a-z]{1,8}`.
    database: String,
    /// `[a-z]{1,8}`.
    account: String,
}

/// A database of the offering: prefix and `[a-z0-9]{1,40}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DatabaseName(String);

/// A user that a guest may name: prefix and `[A-Za-z0-9]`, 32 bytes at most. Its host is `%`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct AccountName(String);

impl Prefixes {
    /// `None` unless both are `[a-z]{1,8}`.
    pub(super) fn new(database: &str, account: &str) -> Option<Self> {
        let good = |prefix: &str| {
            (1..=8).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_lowercase())
        };
        let (database, account) = (database.to_owned(), account.to_owned());
        (good(&database) && good(&account)).then_some(Self { database, account })
    }

    pub(super) fn of_databases(&self) -> &str {
        &self.database
    }

    pub(super) fn of_accounts(&self) -> &str {
        &self.account
    }

    /// The database of a label.
    ///
    /// # Errors
    ///
    /// [`MysqlError::BadName`] says what a label is.
    pub(super) fn database(&self, label: &str) -> Result<DatabaseName, MysqlError> {
        self.found_database(&format!("{}{label}", self.database)).ok_or_else(|| {
            MysqlError::BadName("a database's label is 1 to 40 of a-z 0-9".to_owned())
        })
    }

    /// A name on the server, if it is one of the offering's.
    pub(super) fn found_database(&self, name: &str) -> Option<DatabaseName> {
        let label = name.strip_prefix(&self.database)?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let good = (1..=MAX_DATABASE_LABEL).contains(&label.len())
            && label.bytes().all(plain)
            && !RESERVED_DATABASES.contains(&name);
        good.then(|| DatabaseName(name.to_owned()))
    }

    /// What a guest calls the database.
    pub(super) fn label_of<'n>(&self, database: &'n DatabaseName) -> &'n str {
        database.0.strip_prefix(&self.database).unwrap_or(&database.0)
    }

    /// The account that `label` has in `database`, always the same.
    ///
    /// # Errors
    ///
    /// [`MysqlError::BadName`] says what a label is.
    pub(super) fn account(
        &self,
        database: &DatabaseName,
        label: &str,
    ) -> Result<AccountName, MysqlError> {
        if !(1..=MAX_ACCOUNT_LABEL).contains(&label.len()) {
            let rule = format!("an account's label has 1 to {MAX_ACCOUNT_LABEL} bytes");
            return Err(MysqlError::BadName(rule));
        }
        let letters = letters_of(&["account", &database.0, label], USER_LETTERS);
        Ok(AccountName(format!("{}{letters}", self.account)))
    }

    /// The node's own account for a database, which no guest may name.
    pub(super) fn helper(&self, database: &DatabaseName) -> AccountName {
        let letters = letters_of(&["helper", &database.0], USER_LETTERS - 1);
        AccountName(format!("{}h{letters}", self.account))
    }

    /// A user that a guest names for `database`.
    ///
    /// # Errors
    ///
    /// [`MysqlError::BadName`] says what a user is.
    pub(super) fn named_account(
        &self,
        database: &DatabaseName,
        user: &str,
    ) -> Result<AccountName, MysqlError> {
        self.found_account(user).filter(|account| *account != self.helper(database)).ok_or_else(
            || {
                let prefix = &self.account;
                let rule = format!("a user is {prefix} and letters and digits, at most {MAX_USER}");
                MysqlError::BadName(rule)
            },
        )
    }

    /// A user on the server, if it may be one of the offering's.
    pub(super) fn found_account(&self, user: &str) -> Option<AccountName> {
        let rest = user.strip_prefix(&self.account)?;
        let good = !rest.is_empty()
            && user.len() <= MAX_USER
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !RESERVED_USERS.contains(&user);
        good.then(|| AccountName(user.to_owned()))
    }
}

impl DatabaseName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn quoted(&self) -> String {
        quote_ident(&self.0)
    }

    /// All that is in it, as the object of a `GRANT`, where a name is a pattern.
    pub(super) fn everything(&self) -> String {
        format!("{}.*", quote_ident(&escape_pattern(&self.0)))
    }
}

impl AccountName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// From any host.
    pub(super) fn quoted(&self) -> String {
        format!("{}@`%`", quote_ident(&self.0))
    }
}

/// Many accounts, as a statement lists them.
pub(super) fn quoted_list(accounts: &[AccountName]) -> String {
    accounts.iter().map(AccountName::quoted).collect::<Vec<_>>().join(", ")
}

/// Any text as an identifier.
pub(super) fn quote_ident(text: &str) -> String {
    format!("`{}`", text.replace('`', "``"))
}

/// Any text as a literal, under the `sql_mode` that the node's own connections set.
pub(super) fn quote_literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for letter in text.chars() {
        match letter {
            '\'' => quoted.push_str("''"),
            '\\' => quoted.push_str("\\\\"),
            '\0' => quoted.push_str("\\0"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

/// In the database of a `GRANT`, `_` and `%` stand for anything.
fn escape_pattern(name: &str) -> String {
    name.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%")
}

/// Lower-case letters and digits from a hash of `parts`, each with its length in front, so that no
/// two lists of parts give the same text.
fn letters_of(parts: &[&str], count: usize) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    let mut number =
        digest.iter().take(16).fold(0_u128, |all, byte| (all << 8) | u128::from(*byte));
    let mut letters = String::with_capacity(count);
    for _ in 0..count {
        let digit = u32::try_from(number % 36).ok().and_then(|digit| char::from_digit(digit, 36));
        letters.extend(digit);
        number /= 36;
    }
    letters
}

/// For `LIKE`: all names that begin with `prefix`.
pub(super) fn beginning_with(prefix: &str) -> String {
    let mut pattern = escape_pattern(prefix);
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::{any, proptest};

    use super::*;

    fn prefixes() -> Prefixes {
        Prefixes::new("d", "u").unwrap()
    }

    #[test]
    fn prefixes_are_one_to_eight_letters() {
        for bad in ["", "D", "a1", "a_", "abcdefghi", "a`"] {
            assert!(Prefixes::new(bad, "u").is_none() && Prefixes::new("d", bad).is_none());
        }
    }

    #[test]
    fn a_label_becomes_a_database_and_back() {
        let name = prefixes().database("1f").unwrap();
        assert_eq!(name.as_str(), "d1f");
        assert_eq!(prefixes().label_of(&name), "1f");
        let long = "x".repeat(41);
        for bad in ["", "A", "a_b", "a%", "a`b", "a.b", "a b", "a\0", "ä", "../x", &long] {
            assert!(matches!(prefixes().database(bad), Err(MysqlError::BadName(_))), "{bad}");
        }
        let prefixes = Prefixes::new("m", "r").unwrap();
        assert!(prefixes.database("ysql").is_err());
        assert!(prefixes.found_account("root").is_none());
    }

    fn check_account(database: &str, label: &str, expected: &Expect) {
        let database = prefixes().database(database).unwrap();
        expected.assert_eq(prefixes().account(&database, label).unwrap().as_str());
    }

    #[test]
    fn accounts_are_the_same_for_ever() {
        check_account("1f", "owner", &expect!["udwew50zt3wp4u58"]);
        check_account("1f", "binding-1", &expect!["u3imenl68b4ywigm"]);
        check_account("2f", "owner", &expect!["uwovji6g6qcbecfw"]);
        let database = prefixes().database("1f").unwrap();
        expect!["uhxw0ykcmbj2rwhu"].assert_eq(prefixes().helper(&database).as_str());
    }

    #[test]
    fn a_guest_may_name_its_own_accounts_only() {
        let database = prefixes().database("1f").unwrap();
        let helper = prefixes().helper(&database);
        for bad in ["root", "u", "", "admin", "u`x", "u_x", "u%", "u x", "uä", helper.as_str()] {
            let named = prefixes().named_account(&database, bad);
            assert!(matches!(named, Err(MysqlError::BadName(_))), "{bad}");
        }
        assert!(prefixes().named_account(&database, &format!("u{}", "x".repeat(32))).is_err());
        assert!(prefixes().named_account(&database, "uAbC123").is_ok());
    }

    /// Reads a quoted text as a server does; `None` when it ends early or late.
    fn unquote(quoted: &str, quote: char) -> Option<String> {
        let mut letters = quoted.strip_prefix(quote)?.chars();
        let mut text = String::new();
        while let Some(letter) = letters.next() {
            if letter == quote {
                match letters.next() {
                    Some(second) if second == quote => text.push(quote),
                    Some(_) => return None,
                    None => return Some(text),
                }
            } else if letter == '\\' && quote == '\'' {
                match letters.next()? {
                    '0' => text.push('\0'),
                    other => text.push(other),
                }
            } else {
                text.push(letter);
            }
        }
        None
    }

    proptest! {
        #[test]
        fn a_quoted_identifier_is_one_identifier(text in any::<String>()) {
            assert_eq!(unquote(&quote_ident(&text), '`'), Some(text));
        }

        #[test]
        fn a_quoted_literal_is_one_literal(text in any::<String>()) {
            assert_eq!(unquote(&quote_literal(&text), '\''), Some(text));
        }

        #[test]
        fn whatever_is_accepted_needs_no_escaping(text in any::<String>()) {
            let database = prefixes().database("1f").unwrap();
            if let Ok(name) = prefixes().database(&text) {
                assert_eq!(name.everything(), format!("`d{text}`.*"));
            }
            if let Ok(user) = prefixes().named_account(&database, &text) {
                assert_eq!(user.quoted(), format!("`{text}`@`%`"));
            }
        }

        #[test]
        fn labels_do_not_collide(one in "[ -~]{1,64}", two in "[ -~]{1,64}") {
            let database = prefixes().database("1f").unwrap();
            let name = |label: &str| prefixes().account(&database, label).unwrap();
            assert_eq!(name(&one) == name(&two), one == two);
        }

        #[test]
        fn a_pattern_matches_nothing_but_the_name(name in "[a-z_%\\\\]{1,10}") {
            // Behind an odd number of backslashes: none stands for anything.
            let pattern = escape_pattern(&name);
            let mut letters = pattern.chars();
            let mut plain = String::new();
            while let Some(letter) = letters.next() {
                assert!(!matches!(letter, '_' | '%'));
                plain.push(if letter == '\\' { letters.next().unwrap() } else { letter });
            }
            assert_eq!(plain, name);
        }
    }
}
