//! Secrets. Passwords are numbered instead of random, so that a test can expect them.

use crate::fake::world;

pub(crate) fn get(name: &str) -> Option<String> {
    world().secrets.borrow().get(name).cloned()
}

pub(crate) fn random_password(length: u8) -> String {
    let number = world().passwords.get() + 1;
    world().passwords.set(number);
    let digits = number.to_string();
    let length = usize::from(length.clamp(1, 64));
    // Digits at the end, and nothing else when there is no room.
    let filling: String =
        "password".chars().cycle().take(length.saturating_sub(digits.len())).collect();
    let skipped = digits.len().saturating_sub(length);
    filling + digits.get(skipped..).expect("digits are ASCII")
}
