//! What no source file says, how long it is, and what it is called.

use super::repository::{File, assert_none, files};

/// Lines of a source file, its tests included.
const LONGEST: usize = 400;

/// Files that may be longer, how long, and why.
const LONGER: &[(&str, usize, &str)] = &[];

/// Names that say nothing.
const NAMES: [&str; 6] = ["mod.rs", "util.rs", "utils.rs", "common.rs", "helpers.rs", "types.rs"];

/// Where a text must not stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Anywhere,
    OutsideTests,
}

/// Written in two pieces, so that this file may have them.
const NEVER: &[(&str, Where, &str)] = &[
    (concat!("todo", "!("), Where::Anywhere, "do it, or open an issue"),
    (concat!("#[", "ignore"), Where::Anywhere, "a test runs, or it goes"),
    (concat!("#[", "allow("), Where::Anywhere, "#[expect(lint, reason = \"...\")]"),
    (concat!("#![", "allow("), Where::Anywhere, "#[expect(lint, reason = \"...\")]"),
    (concat!("(%", "error"), Where::Anywhere, CHAIN),
    (concat!(" %", "error"), Where::Anywhere, CHAIN),
    (concat!("as &dyn ", "Error"), Where::Anywhere, CHAIN),
    (concat!("as &dyn std::error::", "Error"), Where::Anywhere, CHAIN),
    (concat!(".unw", "rap()"), Where::OutsideTests, "`?`, or expect(\"why it cannot fail\")"),
];

/// JSON logs show an error without its causes.
const CHAIN: &str = "error = %chain(&error)";

/// Traces of the machine on which something was written.
const MACHINE: &[&str] = &[
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("py", "env"),
    concat!("issues", " show"),
];

#[test]
fn no_source_is_too_long() {
    let mut problems = Vec::new();
    for file in files().iter().filter(|file| file.is_rust()) {
        let lines = file.text.lines().count();
        let exception = LONGER.iter().find(|(path, ..)| *path == file.path);
        let most = exception.map_or(LONGEST, |(_, most, _)| *most);
        if lines > most {
            problems.push(format!("{}: {lines} lines, at most {most}", file.path));
        }
        if exception.is_some() && lines <= LONGEST {
            problems.push(format!("{}: needs no exception any more", file.path));
        }
    }
    assert_none(&problems);
}

#[test]
fn an_exception_names_a_file_that_is_there() {
    let files = files();
    let gone = LONGER.iter().filter(|(path, ..)| !files.iter().any(|file| file.path == *path));
    let problems: Vec<String> = gone.map(|(path, ..)| format!("{path} is not there")).collect();
    assert_none(&problems);
}

#[test]
fn a_source_is_named_for_what_it_is() {
    let files = files();
    let name = |file: &File| file.path.rsplit('/').next().unwrap_or_default().to_owned();
    let wrong = files.iter().filter(|file| NAMES.contains(&name(file).as_str()));
    let problems: Vec<String> = wrong.map(|file| file.path.clone()).collect();
    assert_none(&problems);
}

#[test]
fn a_source_begins_by_saying_what_it_does() {
    let files = files();
    let silent = files.iter().filter(|file| file.is_rust() && !file.text.starts_with("//!"));
    let problems: Vec<String> =
        silent.map(|file| format!("{} does not begin with //!", file.path)).collect();
    assert_none(&problems);
}

#[test]
fn no_source_says_what_none_may_say() {
    let mut problems = Vec::new();
    for file in files().iter().filter(|file| file.is_rust()) {
        let tests = first_line_of_tests(file);
        for (at, line) in file.code() {
            let wrong = NEVER.iter().filter(|(text, place, _)| {
                line.contains(text) && (*place == Where::Anywhere || at < tests)
            });
            problems.extend(
                wrong.map(|(text, _, instead)| format!("{}:{at}: {text}: {instead}", file.path)),
            );
        }
    }
    assert_none(&problems);
}

#[test]
fn nothing_tells_of_the_machine_on_which_it_was_written() {
    let mut problems = Vec::new();
    for file in files() {
        for (at, line) in file.text.lines().enumerate() {
            let found = MACHINE.iter().filter(|text| line.contains(**text));
            problems.extend(found.map(|text| format!("{}:{}: {text}", file.path, at + 1)));
        }
    }
    assert_none(&problems);
}

/// Where tests begin: a module of them stands last in its file, or is a file or folder whose name
/// ends in `tests`.
fn first_line_of_tests(file: &File) -> usize {
    let mut names = file.path.split('/').skip(1);
    if names.any(|name| name.trim_end_matches(".rs").ends_with("tests")) {
        return 0;
    }
    let mut lines = file.text.lines();
    lines.position(|line| line == "#[cfg(test)]").map_or(usize::MAX, |at| at + 1)
}
