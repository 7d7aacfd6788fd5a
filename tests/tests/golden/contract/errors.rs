//! Errors as HTTP bodies and job results show them. Reference, section 7.

use serde::{Deserialize, Serialize};

/// From August 2013 on, with what P29 takes out again.
#[derive(Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    code: u32,
    description: String,
    error: Option<Origin>,
}

#[derive(Serialize, Deserialize)]
struct Origin {
    backtrace: Option<Vec<String>>,
    types: Vec<String>,
}

/// One row of the catalogue.
#[derive(Serialize, Deserialize)]
pub(crate) struct CatalogueRow {
    pub(crate) code: u32,
    pub(crate) http_status: u16,
    pub(crate) template: String,
}

const PAGE: &str = include_str!("../../../../docs/reference/error-codes.md");

/// What the page says of the numbers that Tenon does not say begins so.
const UNSAID: &str = "## Numbers that are never said";

#[test]
fn every_number_of_the_catalogue_is_said_in_its_words_or_the_page_says_why_not() {
    let (said, unsaid) = PAGE.split_once(UNSAID).expect("the page says which are not");
    let fixture = super::super::fixtures::fixtures();
    let fixture = fixture.iter().find(|fixture| fixture.id == "errors-7-catalogue");
    let rows = fixture.expect("it is there").message().clone();
    let rows: Vec<CatalogueRow> = serde_json::from_value(rows).expect("they are rows");
    let mut problems = Vec::new();
    for CatalogueRow { code, http_status, template } in rows {
        let is_it = |line: &&str| line.starts_with(&format!("| {code} "));
        let Some(row) = said.lines().find(is_it) else {
            if !unsaid.contains(&code.to_string()) {
                problems.push(format!("{code} is nowhere"));
            }
            continue;
        };
        let pattern = template.replace("%s", "*");
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, number, status, _, text, ..] = cells[..] else {
            panic!("{row}");
        };
        let is_same = number == code.to_string() && status == http_status.to_string();
        if !is_same || !super::super::fixtures::fits(&format!("`{pattern}`"), text) {
            problems.push(format!("{code} {http_status} {template} became {row}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
