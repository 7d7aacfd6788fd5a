//! A guest's own statements.
//!
//! Each is prepared, so that it is one statement, and runs as the database's helper on a connection
//! of its own, so that nothing of it remains. Bounded in time, rows and bytes; when its call ends
//! early it is ended on the server too.

use std::sync::Arc;
use std::time::Duration;

use mysql_async::consts::ColumnFlags;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Params, Row, Value as Sql};

use super::Database;
use super::error::MysqlError;
use super::server::MysqlServer;
use super::statement::{Flavour, kill};
use crate::guest::bindings::tenon::host::mysql::Value;

/// Bounds of one call; beyond each the call fails with `limit`.
const MAX_STATEMENT: usize = 1 << 20;
const MAX_PARAMS: usize = 1_000;
const MAX_PARAM_BYTES: usize = 4 << 20;
const MAX_ROWS: usize = 1_000;
const MAX_RESULT: usize = 4 << 20;

/// Longest that a statement may run: what the server is told, and when the node ends it, as a
/// session may change what the server was told.
const SERVER_SECONDS: u32 = 30;
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(35);

/// The driver refuses a longer packet: a row has to fit before it can be counted.
const MAX_PACKET: usize = MAX_RESULT + (1 << 20);

/// What a value costs beside its bytes.
const VALUE_OVERHEAD: usize = 16;

impl Database {
    /// Rows changed.
    pub(super) async fn execute(
        &self,
        statement: String,
        params: Vec<Value>,
    ) -> Result<u64, MysqlError> {
        let params = checked(&statement, params)?;
        let mut running = self.start().await?;
        let work = async {
            let result = running.conn.exec_iter(statement, params).await?;
            Ok(result.affected_rows())
        };
        let changed = self.server.within(STATEMENT_TIMEOUT, work).await?;
        running.end().await;
        Ok(changed)
    }

    /// Rows of the first result.
    pub(super) async fn query(
        &self,
        statement: String,
        params: Vec<Value>,
    ) -> Result<Vec<Vec<Value>>, MysqlError> {
        let params = checked(&statement, params)?;
        let mut running = self.start().await?;
        let work = async {
            let mut result = running.conn.exec_iter(statement, params).await?;
            let mut rows = Rows::default();
            while let Some(row) = result.next().await? {
                if rows.add(row) == Room::Full {
                    return Ok(None);
                }
            }
            Ok(Some(rows.rows))
        };
        let rows = self.server.within(STATEMENT_TIMEOUT, work).await?;
        let too_large = || format!("a result has at most {MAX_ROWS} rows and {MAX_RESULT} bytes");
        let rows = rows.ok_or_else(|| MysqlError::Limit(too_large()))?;
        running.end().await;
        Ok(rows)
    }

    async fn start(&self) -> Result<Running, MysqlError> {
        let clock = match self.server.flavour().await? {
            Flavour::MariaDb => format!("SET SESSION max_statement_time = {SERVER_SECONDS}"),
            Flavour::MySql => format!("SET SESSION max_execution_time = {SERVER_SECONDS}000"),
        };
        let how = |opts: OptsBuilder| {
            opts.setup(vec![clock.clone()]).max_allowed_packet(Some(MAX_PACKET))
        };
        let conn = self.connect_helper(how).await?;
        Ok(Running { conn, server: Arc::clone(&self.server), state: State::Busy })
    }
}

/// A connection whose statement is ended on the server when it is dropped before its end.
struct Running {
    conn: Conn,
    server: Arc<MysqlServer>,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Busy,
    Done,
}

impl Running {
    async fn end(mut self) {
        self.state = State::Done;
        // Dropped, it says good-bye in the background.
        tokio::task::yield_now().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.state == State::Done || self.conn.is_disconnected() && self.conn.id() == 0 {
            return;
        }
        let (server, id) = (Arc::clone(&self.server), u64::from(self.conn.id()));
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let end = async move {
            let ended = match server.admin().await {
                Ok(mut admin) => admin.run([kill(id)]).await,
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                // It may be over by itself; if not, it ends by the server's clock.
                tracing::debug!(id, error = &error as &dyn std::error::Error, "not ended");
            }
        };
        self.server.tasks.spawn_on(end, &runtime);
    }
}

fn checked(statement: &str, params: Vec<Value>) -> Result<Params, MysqlError> {
    let limit = |text: String| Err(MysqlError::Limit(text));
    if statement.len() > MAX_STATEMENT {
        return limit(format!("a statement has at most {MAX_STATEMENT} bytes"));
    }
    if params.len() > MAX_PARAMS {
        return limit(format!("a statement has at most {MAX_PARAMS} parameters"));
    }
    let params: Vec<Sql> = params.into_iter().map(to_sql).collect();
    if params.iter().map(size_of_value).sum::<usize>() > MAX_PARAM_BYTES {
        return limit(format!("parameters have at most {MAX_PARAM_BYTES} bytes"));
    }
    Ok(if params.is_empty() { Params::Empty } else { Params::Positional(params) })
}

fn to_sql(value: Value) -> Sql {
    match value {
        Value::Null => Sql::NULL,
        Value::Bool(value) => Sql::Int(i64::from(value)),
        Value::Int(value) => Sql::Int(value),
        Value::Uint(value) => Sql::UInt(value),
        Value::Double(value) => Sql::Double(value),
        Value::Text(value) => Sql::Bytes(value.into_bytes()),
        Value::Bytes(value) => Sql::Bytes(value),
    }
}

fn size_of_value(value: &Sql) -> usize {
    match value {
        Sql::Bytes(bytes) => VALUE_OVERHEAD + bytes.len(),
        Sql::NULL
        | Sql::Int(_)
        | Sql::UInt(_)
        | Sql::Float(_)
        | Sql::Double(_)
        | Sql::Date(..)
        | Sql::Time(..) => VALUE_OVERHEAD,
    }
}

/// A result as it comes in.
#[derive(Default)]
struct Rows {
    rows: Vec<Vec<Value>>,
    bytes: usize,
}

#[derive(PartialEq, Eq)]
enum Room {
    Left,
    Full,
}

impl Rows {
    fn add(&mut self, row: Row) -> Room {
        let binary: Vec<bool> = row.columns_ref().iter().map(is_binary).collect();
        let values = row.unwrap_raw().into_iter().map(Option::unwrap_or_default_null);
        let values: Vec<Sql> = values.collect();
        self.bytes += values.iter().map(size_of_value).sum::<usize>();
        if self.rows.len() >= MAX_ROWS || self.bytes > MAX_RESULT {
            return Room::Full;
        }
        let with_kind = values.into_iter().zip(binary);
        self.rows.push(with_kind.map(|(value, binary)| from_sql(value, binary)).collect());
        Room::Left
    }
}
