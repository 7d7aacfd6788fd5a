//! What a second start with the same directory finds again: ports, passwords, tokens, the seal key.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use serde::{Deserialize, Serialize};
use tenon_protocol::{SealKey, Secret};

use super::directory::{Directory, DirectoryError};

/// Where it is kept.
const FILE: &str = "kept.json";

/// Below the range from which the system takes ports for outgoing connections: a connection of a
/// busy test cannot take the port of a child that is restarted.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Linux answers for all of 127.0.0.0/8. Nothing listens here: it says that a port is spoken for.
const CLAIMS: Ipv4Addr = Ipv4Addr::new(127, 84, 69, 78);

/// Most ports that are tried for one listener.
const PORT_ATTEMPTS: usize = 1_000;

/// 128 random bits are beyond guessing; a shorter token is easier to paste.
const SECRET_HEX_DIGITS: usize = 32;
const SEAL_KEY_HEX_DIGITS: usize = 64;

/// There is no port, or the file is not ours.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// Every port that was tried is taken.
    #[error("no port between {} and {} is free on 127.0.0.1", PORTS.start, PORTS.end)]
    NoPort,
    /// The file was edited, or is damaged.
    #[error("{FILE} cannot be read; restore it, or start anew in another --dir")]
    Damaged(#[source] serde_json::Error),
    /// The disk refuses.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Names to values; a name that is asked for first gets a new value.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Kept {
    ports: BTreeMap<String, u16>,
    secrets: BTreeMap<String, Secret>,
    #[serde(skip)]
    held: Vec<Hold>,
}

/// A port that no other `tenon dev` takes meanwhile, and nobody else either until it is released.
#[derive(Debug)]
struct Hold {
    /// On the address that the server will have.
    port: TcpListener,
    /// On an address that only we use; `None` where this machine does not have it.
    claim: Option<TcpListener>,
}

/// Claims on ports, which end when this is dropped.
#[derive(Debug)]
pub(crate) struct Claims(#[expect(dead_code, reason = "held, not read")] Vec<TcpListener>);

impl Kept {
    /// What an earlier run left, or nothing.
    pub(crate) fn load(directory: &Directory) -> Result<Self, KeptError> {
        match directory.read(FILE)? {
            Some(content) => serde_json::from_slice(&content).map_err(KeptError::Damaged),
            None => Ok(Self::default()),
        }
    }

    /// Writes it all, before any of it is used.
    pub(crate) fn save(&self, directory: &Directory) -> Result<(), KeptError> {
        let content = serde_json::to_vec_pretty(self).map_err(KeptError::Damaged)?;
        Ok(directory.write(FILE, &content)?)
    }

    /// The port of `name`: the one of the last run if it is free, else another.
    pub(crate) fn port(&mut self, name: &str) -> Result<u16, KeptError> {
        let earlier = self.ports.get(name).copied();
        let random = std::iter::repeat_with(random_port).take(PORT_ATTEMPTS);
        let listener = earlier.into_iter().chain(random).find_map(hold).ok_or(KeptError::NoPort)?;
        let port = listener.port.local_addr().map(|address| address.port()).unwrap_or_default();
        self.held.push(listener);
        self.ports.insert(name.to_owned(), port);
        Ok(port)
    }

    /// Lets go of the ports, for the servers that are about to start, and of the claims with what
    /// is returned: a server binds its port seconds later, and again whenever it is restarted.
    pub(crate) fn release_ports(&mut self) -> Claims {
        Claims(self.held.drain(..).filter_map(|hold| hold.claim).collect())
    }

    /// The password or token of `name`.
    pub(crate) fn secret(&mut self, name: &str) -> Secret {
        self.secret_of(name, SECRET_HEX_DIGITS)
    }

    /// The key under which records are sealed.
    pub(crate) fn seal_key(&mut self) -> Secret {
        self.secret_of("seal_key", SEAL_KEY_HEX_DIGITS)
    }

    fn secret_of(&mut self, name: &str, hex_digits: usize) -> Secret {
        let new = || Secret::new(SealKey::random_hex().chars().take(hex_digits).collect());
        self.secrets.entry(name.to_owned()).or_insert_with(new).clone()
    }

    /// `text` with the name of each port and secret in its place.
    #[cfg(test)]
    pub(crate) fn names_for_values(&self, text: &str) -> String {
        let ports = self.ports.iter().map(|(name, port)| (name, port.to_string()));
        let secrets = self.secrets.iter().map(|(name, secret)| (name, secret.reveal().to_owned()));
        // A seal key may not be hit by a shorter value that happens to be in it.
        let mut values: Vec<_> = secrets.chain(ports).collect();
        values.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        values
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(value, &format!("<{name}>")))
    }
}

fn hold(port: u16) -> Option<Hold> {
    let claim = match TcpListener::bind((CLAIMS, port)) {
        Ok(claim) => Some(claim),
        Err(error) if error.kind() == ErrorKind::AddrInUse => return None,
        Err(_no_such_address) => None,
    };
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
    Some(Hold { port, claim })
}

fn random_port() -> u16 {
    rand::random_range(PORTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_finds_its_ports_and_secrets_again() {
        let keep = tempfile::tempdir().unwrap();
        let directory = Directory::open(keep.path()).unwrap();
        let mut first = Kept::load(&directory).unwrap();
        let found = (first.port("nats").unwrap(), first.secret("a"), first.seal_key());
        first.save(&directory).unwrap();
        drop(first.release_ports());

        let mut second = Kept::load(&directory).unwrap();
        assert_eq!((second.port("nats").unwrap(), second.secret("a"), second.seal_key()), found);
        assert!(PORTS.contains(&found.0));
        assert_eq!((found.1.reveal().len(), found.2.reveal().len()), (32, 64));
    }

    #[test]
    fn a_port_that_somebody_took_is_replaced() {
        let mut kept = Kept::default();
        let first = kept.port("nats").unwrap();
        // Still held.
        assert_ne!(kept.port("nats").unwrap(), first);
    }

    #[test]
    fn a_port_whose_server_is_still_starting_is_not_given_to_another() {
        let mut kept = Kept::default();
        let port = kept.port("nats").unwrap();
        let claims = kept.release_ports();
        assert!(hold(port).is_none());
        drop(claims);
        assert!(hold(port).is_some());
    }

    #[test]
    fn a_damaged_file_is_no_reason_to_invent_new_keys() {
        let keep = tempfile::tempdir().unwrap();
        let directory = Directory::open(keep.path()).unwrap();
        directory.write(FILE, b"{").unwrap();
        assert!(matches!(Kept::load(&directory), Err(KeptError::Damaged(_))));
    }
}
