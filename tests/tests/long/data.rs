//! What a tenant keeps in an instance: one number, in a table or in a file.

use std::path::Path;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tenon_protocol::message::Object;
use tenon_tests::{HarnessError, Login};
use tokio::time::timeout;

/// A server that sleeps wakes up by then.
const PATIENCE: Duration = Duration::from_secs(15);
/// MariaDB's words for "not you", "not there", "there is no such database" and "locked".
const SHUT_OUT: [u16; 4] = [1044, 1045, 1049, 4151];
/// There is no such table: nothing was ever written.
const NO_TABLE: u16 = 1146;

/// Why nothing was read or written.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The credentials do not open.
    ShutOut(String),
    /// Nothing is certain.
    Away(String),
}

/// Writes `value`; it is there when this succeeds.
pub(crate) async fn write(offering: &str, credentials: &Object, value: u64) -> Result<(), Trouble> {
    if offering == "files" {
        let written = open(credentials).and_then(|dir| dir.write("kept", value.to_string()));
        return written.map_err(|error| Trouble::ShutOut(error.to_string()));
    }
    let login = Login::read(credentials).unwrap();
    let table = "CREATE TABLE IF NOT EXISTS kept (id INT PRIMARY KEY, value BIGINT UNSIGNED)";
    let row = format!("REPLACE INTO kept VALUES (1, {value})");
    let writing = async {
        login.execute(table).await?;
        login.execute(&row).await
    };
    timely(timeout(PATIENCE, writing).await)
}

/// What stands there; 0 when nothing was written.
pub(crate) async fn read(offering: &str, credentials: &Object) -> Result<u64, Trouble> {
    if offering == "files" {
        let dir = open(credentials).map_err(|error| Trouble::ShutOut(error.to_string()))?;
        return Ok(dir.read_to_string("kept").map_or(0, |text| text.parse().unwrap()));
    }
    let login = Login::read(credentials).unwrap();
    let reading = login.number("SELECT value FROM kept WHERE id = 1");
    match timeout(PATIENCE, reading).await {
        Ok(Err(error)) if code(&error) == Some(NO_TABLE) => Ok(0),
        read => timely(read).map(Option::unwrap_or_default),
    }
}

fn timely<T, E>(done: Result<Result<T, HarnessError>, E>) -> Result<T, Trouble> {
    match done {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            let text = format!("{error}: {:?}", std::error::Error::source(&error));
            let is_shut = code(&error).is_some_and(|code| SHUT_OUT.contains(&code));
            Err(if is_shut { Trouble::ShutOut(text) } else { Trouble::Away(text) })
        }
        Err(_late) => Err(Trouble::Away("no answer".to_owned())),
    }
}

fn code(error: &HarnessError) -> Option<u16> {
    if let HarnessError::Mysql(mysql_async::Error::Server(error)) = error {
        Some(error.code)
    } else {
        None
    }
}

fn open(credentials: &Object) -> std::io::Result<Dir> {
    let path = credentials["internal"]["local_path"].as_str().unwrap();
    Dir::open_ambient_dir(Path::new(path), ambient_authority())
}
