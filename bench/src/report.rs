//! The result: a table for people, JSON for tools.

use serde_json::{Value, json};

/// One line.
struct Row {
    id: &'static str,
    what: String,
    value: String,
    target: &'static str,
    figures: Value,
}

/// All lines, in the order of their measurement.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds a line, and shows it at once to whoever waits.
    pub(crate) fn add(
        &mut self,
        id: &'static str,
        what: impl Into<String>,
        value: impl Into<String>,
        target: &'static str,
        figures: Value,
    ) {
        let row = Row { id, what: what.into(), value: value.into(), target, figures };
        eprintln!("({}) {}: {}", row.id, row.what, row.value);
        self.rows.push(row);
    }

    #[expect(clippy::print_stdout, reason = "the output of the program")]
    pub(crate) fn print(&self, json_only: bool) {
        if !json_only {
            println!("{:<4} {:<58} {:>34}  target", "row", "what", "measured");
            for row in &self.rows {
                println!("({:<1})  {:<58} {:>34}  {}", row.id, row.what, row.value, row.target);
            }
            println!();
        }
        let rows: Vec<Value> = self.rows.iter().map(row_json).collect();
        println!("{}", Value::Array(rows));
    }
}

fn row_json(row: &Row) -> Value {
    json!({
        "row": row.id,
        "what": row.what,
        "measured": row.value,
        "target": row.target,
        "figures": row.figures,
    })
}

/// The middle one; 0 of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
