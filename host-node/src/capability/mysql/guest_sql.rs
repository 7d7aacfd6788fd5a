//! A guest's own statements.
//!
//! Each is prepared, so that it is one statement, and runs as the database's helper on a connection
//! of its own, so that nothing of it remains. Bounded in time, rows and bytes; when its call ends
//! early it is ended on the server too.

use std::sync::Arc;
use std::time::Duration;

use mysql_async::consts::ColumnType;
use mysql_async::prelude::Queryable;
use mysql_async::{Column, Conn, OptsBuilder, Params, Row, Value as Sql};
use tenon_protocol::chain;

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

/// The collation of columns that hold bytes.
const BINARY: u16 = 63;

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
            let rest = if result.is_empty() { Rest::Nothing } else { Rest::Rows };
            Ok((result.affected_rows(), rest))
        };
        let done = self.server.within(STATEMENT_TIMEOUT, work).await;
        running.done_after(&done, |(_, rest)| *rest);
        done.map(|(changed, _)| changed)
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
                    return Ok((rows, Rest::Rows));
                }
            }
            let rest = if result.is_empty() { Rest::Nothing } else { Rest::Rows };
            Ok((rows, rest))
        };
        let done = self.server.within(STATEMENT_TIMEOUT, work).await;
        running.done_after(&done, |(_, rest)| *rest);
        let (rows, _) = done?;
        if rows.room == Room::Full {
            let rule = format!("a result has at most {MAX_ROWS} rows and {MAX_RESULT} bytes");
            return Err(MysqlError::Limit(rule));
        }
        Ok(rows.rows)
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Busy,
    Done,
}

/// What the server still wants to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Nothing,
    Rows,
}

impl Running {
    /// Notes that the server is done, if it is: it answered all, or refused.
    fn done_after<T>(&mut self, result: &Result<T, MysqlError>, rest: impl Fn(&T) -> Rest) {
        let done = match result {
            Ok(answer) => rest(answer) == Rest::Nothing,
            Err(error) => matches!(error, MysqlError::Server { .. }),
        };
        if done {
            self.state = State::Done;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.state == State::Done {
            return;
        }
        let (server, id) = (Arc::clone(&self.server), u64::from(self.conn.id()));
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let end = async move {
            let ended = match server.admin().await {
                Ok(mut admin) => admin.run([kill(id)]).await,
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                // It may be over by itself; if not, it ends by the server's clock.
                tracing::debug!(id, error = %chain(&error), "not ended");
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
    room: Room,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Room {
    #[default]
    Left,
    Full,
}

impl Rows {
    fn add(&mut self, mut row: Row) -> Room {
        let columns = row.columns();
        let values: Vec<Sql> =
            (0..columns.len()).map(|index| row.take(index).unwrap_or(Sql::NULL)).collect();
        self.bytes += values.iter().map(size_of_value).sum::<usize>();
        if self.rows.len() >= MAX_ROWS || self.bytes > MAX_RESULT {
            self.room = Room::Full;
            return self.room;
        }
        let values = values.into_iter().zip(columns.iter());
        self.rows.push(values.map(|(value, column)| from_sql(value, column)).collect());
        Room::Left
    }
}

fn from_sql(value: Sql, column: &Column) -> Value {
    match value {
        Sql::NULL => Value::Null,
        Sql::Int(value) => Value::Int(value),
        Sql::UInt(value) => Value::Uint(value),
        Sql::Float(value) => Value::Double(f64::from(value)),
        Sql::Double(value) => Value::Double(value),
        Sql::Bytes(bytes) if is_binary(column) => Value::Bytes(bytes),
        Sql::Bytes(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Value::Text(text),
            Err(error) => Value::Bytes(error.into_bytes()),
        },
        Sql::Date(year, month, day, 0, 0, 0, 0)
            if column.column_type() != ColumnType::MYSQL_TYPE_DATE =>
        {
            Value::Text(format!("{year:04}-{month:02}-{day:02} 00:00:00"))
        }
        // As the server writes them in text, in quotation marks.
        time @ (Sql::Date(..) | Sql::Time(..)) => {
            Value::Text(time.as_sql(false).trim_matches('\'').to_owned())
        }
    }
}

/// Whether bytes of the column are no text: numbers that come as text are marked binary too.
fn is_binary(column: &Column) -> bool {
    column.character_set() == BINARY && !column.column_type().is_numeric_type()
}
