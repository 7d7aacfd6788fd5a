//! Reference pages list what the code has, and nothing else.

use super::repository::{assert_none, files, text};

#[test]
fn the_page_of_error_codes_lists_every_number() {
    let source = text("protocol/src/fault.rs");
    let page = text("docs/reference/error-codes.md");
    let coded: Vec<[String; 3]> = source.lines().filter_map(code).collect();
    let listed: Vec<[String; 3]> = page.lines().filter_map(row).map(first_three).collect();
    assert!(coded.len() > 20, "fault.rs is not read as it should be");
    let unlisted = coded.iter().filter(|code| !listed.contains(code));
    let uncoded = listed.iter().filter(|row| !coded.contains(row));
    let problems = unlisted
        .map(|code| format!("error-codes.md has no row {code:?}"))
        .chain(uncoded.map(|row| format!("fault.rs has no code {row:?}")));
    assert_none(&problems.collect::<Vec<_>>());
}

#[test]
fn every_number_of_the_page_of_error_codes_names_a_test() {
    let tests = test_functions();
    let page = text("docs/reference/error-codes.md");
    let mut problems = Vec::new();
    for cells in page.lines().filter_map(row).map(Iterator::collect::<Vec<_>>) {
        let named = cells.last().map(|cell| cell.trim_matches('`')).unwrap_or_default();
        if !tests.iter().any(|test| test == named) {
            problems.push(format!("{:?}: there is no test {named}", cells.first()));
        }
    }
    assert_none(&problems);
}

#[test]
fn the_page_of_subjects_lists_every_function_header_and_key() {
    let page = text("docs/reference/subjects.md");
    let listed: Vec<&str> = page.lines().filter_map(row).flatten().collect();
    let mut names = public(&text("protocol/src/subject.rs"), "pub fn ");
    names.extend(public(&text("protocol/src/subject.rs"), "pub const "));
    names.extend(public(&text("protocol/src/record/key.rs"), "pub fn "));
    names.extend(public(&text("protocol/src/record/key.rs"), "pub const "));
    let order = text("protocol/src/order.rs");
    let headers = order.lines().filter(|line| line.starts_with("    pub const "));
    names.extend(headers.filter_map(|line| line.split('"').nth(1)).map(str::to_owned));
    assert!(names.len() > 30, "the sources are not read as they should be: {names:?}");
    let in_page = |name: &String| {
        let quoted = format!("`{name}`");
        listed.iter().any(|cell| cell.contains(&quoted)) || page.contains(&quoted)
    };
    let missing = names.iter().filter(|name| !in_page(name));
    assert_none(&missing.map(|name| format!("subjects.md lacks {name}")).collect::<Vec<_>>());
}

#[test]
fn every_row_of_the_page_of_differences_names_its_test() {
    let (page, tests, files) =
        (text("docs/reference/classic-differences.md"), test_functions(), files());
    let rows: Vec<Vec<&str>> = page.lines().filter_map(row).map(Iterator::collect).collect();
    assert!(rows.len() > 50, "the page is not read as it should be");
    let mut problems = Vec::new();
    for cells in rows.iter().filter(|cells| cells.first().is_some_and(|id| *id != "id")) {
        let (id, cell) = (cells.first().unwrap_or(&""), cells.last().unwrap_or(&""));
        // Every second piece stands between backquotes.
        let (names, functions): (Vec<&str>, Vec<&str>) =
            cell.split('`').skip(1).step_by(2).partition(|name| name.ends_with(".rs"));
        if functions.is_empty() {
            problems.push(format!(
                "classic-differences.md, row {id}: the last column must name, in backquotes, the \
                 function of a test that proves it, as in `a_full_node_takes_nothing_new`; names of \
                 files alone ({cell}) do not say which one it is"
            ));
        }
        let missing = functions.iter().filter(|name| !tests.iter().any(|test| test == *name));
        problems.extend(missing.map(|name| {
            format!("classic-differences.md, row {id}: no function below #[test] is called {name}")
        }));
        let is_there = |name: &str| files.iter().any(|it| it.path.ends_with(&format!("/{name}")));
        let missing = names.iter().filter(|name| !is_there(name));
        problems.extend(
            missing.map(|name| format!("classic-differences.md, row {id}: no file {name}")),
        );
    }
    assert_none(&problems);
}

#[test]
fn every_fault_of_the_original_has_a_test_with_its_number() {
    let tests = test_functions();
    let page = text("docs/reference/classic-faults.md");
    let rows: Vec<Vec<&str>> = page.lines().filter_map(row).map(Iterator::collect).collect();
    let mut problems = Vec::new();
    for number in 1..=40 {
        let tag = format!("p{number:02}_");
        if !tests.iter().any(|test| test.contains(&tag)) {
            problems.push(format!("no test is called {tag}..."));
        }
        let fault = format!("P{number}");
        let Some(cells) = rows.iter().find(|cells| cells.first() == Some(&&*fault)) else {
            problems.push(format!("classic-faults.md lacks {fault}"));
            continue;
        };
        let named = cells.last().map(|cell| cell.trim_matches('`')).unwrap_or_default();
        if !named.contains(&tag) || !tests.iter().any(|test| test == named) {
            problems.push(format!("{fault}: there is no test {named}"));
        }
    }
    assert_none(&problems);
}

/// Names of all functions below `#[test]` or the like.
fn test_functions() -> Vec<String> {
    let mut names = Vec::new();
    for file in files().iter().filter(|file| file.is_rust()) {
        let mut is_marked = false;
        for line in file.code().map(|(_, line)| line.trim_start()) {
            is_marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let line = line.strip_prefix("async ").unwrap_or(line);
            let declared = line.strip_prefix("fn ").and_then(|line| line.split('(').next());
            // Other attributes may stand between.
            if let Some(name) = declared.filter(|_| std::mem::take(&mut is_marked)) {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// Number, status and blame of a line such as `Self::new(30000, 400, Blame::Caller);`.
fn code(line: &str) -> Option<[String; 3]> {
    let (_, rest) = line.split_once("Self = Self::new(")?;
    let mut parts = rest.strip_suffix(");")?.split(", ");
    let (number, status, blame) = (parts.next()?, parts.next()?, parts.next()?);
    let blame = blame.strip_prefix("Blame::")?.to_lowercase();
    Some([number.to_owned(), status.to_owned(), blame])
}

/// The cells of a row of a table; `None` for headings and other lines.
fn row(line: &str) -> Option<std::vec::IntoIter<&str>> {
    let cells = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim);
    let cells: Vec<&str> = cells.collect();
    let is_row = !cells.iter().all(|cell| cell.starts_with("---"));
    let is_heading =
        cells.first().is_some_and(|cell| ["number", "function", "header"].contains(cell));
    (is_row && !is_heading).then(|| cells.into_iter())
}

fn first_three(cells: impl Iterator<Item = impl AsRef<str>>) -> [String; 3] {
    let mut cells = cells.map(|cell| cell.as_ref().trim_end_matches(" +").to_owned());
    [(); 3].map(|()| cells.next().unwrap_or_default())
}

/// Names that begin a line after `keyword`.
fn public(source: &str, keyword: &str) -> Vec<String> {
    let lines = source.lines().filter_map(|line| line.strip_prefix(keyword));
    let end = |c: char| !(c.is_alphanumeric() || c == '_');
    lines.filter_map(|rest| rest.split(end).next()).map(str::to_owned).collect()
}
