//! Passwords of accounts, and how a server is told of them without hearing them.

use rand::distr::{Alphanumeric, SampleString};
use sha1::{Digest, Sha1};
use tenon_protocol::Secret;

use super::error::MysqlError;

/// 28 letters and digits: 166 bits.
const LENGTH: usize = 28;

/// Longest password that an account brings along.
const MAX_LENGTH: usize = 128;

/// A new one, from the system's generator.
pub(super) fn random() -> Secret {
    Secret::new(Alphanumeric.sample_string(&mut rand::rng(), LENGTH))
}

/// One that an account had elsewhere.
///
/// # Errors
///
/// [`MysqlError::BadName`] says what a password is.
pub(super) fn brought(text: String) -> Result<Secret, MysqlError> {
    let good = (1..=MAX_LENGTH).contains(&text.len()) && !text.contains(char::is_control);
    if good {
        return Ok(Secret::new(text));
    }
    Err(MysqlError::BadName(format!("a password has 1 to {MAX_LENGTH} printable letters")))
}

/// `mysql_native_password`'s hash, as `IDENTIFIED BY PASSWORD` takes it.
///
/// Made here, so that no password reaches a log or the process list of the server.
pub(super) fn native_hash(password: &Secret) -> String {
    let once = Sha1::digest(password.reveal().as_bytes());
    format!("*{}", hex::encode_upper(Sha1::digest(once)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_servers_own() {
        // SELECT PASSWORD('password') on MariaDB 10.11.
        let hash = native_hash(&Secret::new("password".to_owned()));
        assert_eq!(hash, "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19");
    }

    #[test]
    fn random_passwords_are_long_plain_and_differ() {
        let one = random();
        assert_eq!(one.reveal().len(), LENGTH);
        assert!(one.reveal().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert!(one != random());
    }

    #[test]
    fn brought_passwords_are_bounded() {
        assert!(brought("it's \"good\" \\ ä".to_owned()).is_ok());
        for bad in [String::new(), "x".repeat(129), "a\nb".to_owned(), "a\0".to_owned()] {
            assert!(matches!(brought(bad), Err(MysqlError::BadName(_))));
        }
    }
}
