//! Takes the definers out of a dump, as it streams by.
//!
//! A view, routine, trigger or event of a dump says in whose name it runs. Whoever loads the dump
//! may only say its own name, and without a word it is that. Knows the statements that
//! `mariadb-dump` and `mysqldump` write; is no parser of SQL, and no wall: the account that loads
//! has no rights beyond its database, whatever the dump says.

use std::io::{self, BufRead, Write};

/// How much of a line is looked at. What follows, rows as a rule, streams through.
const HEAD: usize = 4 << 10;

/// Longest delimiter, line break and blanks at the end of a line.
const TAIL: usize = 64;

/// Beginnings of statements, up to the definer. The second is that of routines in dumps of servers
/// before MySQL 5.7.
const PREFIXES: [&[u8]; 4] = [
    b"CREATE DEFINER=",
    b"/*!50003 CREATE*/ /*!50020 DEFINER=",
    b"/*!50003 CREATE*/ /*!50017 DEFINER=",
    b"/*!50106 CREATE*/ /*!50117 DEFINER=",
];

/// A view's definer has a line of its own, behind a first one.
const VIEW_FIRST: &[u8] = b"/*!50001 CREATE ALGORITHM=";
const VIEW_SECOND: &[u8] = b"/*!50013 DEFINER=";

/// The definer, with the equals sign that ends each of the beginnings.
const DEFINER: &[u8] = b"DEFINER=";

const DELIMITER: &[u8] = b"DELIMITER ";

/// The last line of a dump that was written to its end.
const COMPLETED: &[u8] = b"-- Dump completed";

/// How a dump ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Completed,
    CutOff,
}

/// Why a dump did not get through.
#[derive(Debug)]
pub(super) enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

/// Where in a dump a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A statement begins here.
    Start,
    /// The second line of a view.
    ViewSecond,
    /// In a statement: rows, the body of a routine.
    Inside,
}

/// Copies a dump without its definers.
///
/// # Errors
///
/// [`CopyError`] says which end failed.
pub(super) fn copy_without_definers(
    mut from: impl BufRead,
    to: &mut impl Write,
) -> Result<Ending, CopyError> {
    let mut place = Place::Start;
    let mut delimiter = b";".to_vec();
    let mut ending = Ending::CutOff;
    let mut line = Line::default();
    while line.read_head(&mut from).map_err(CopyError::Read)? {
        if !line.is_blank() {
            ending = ending_at(&line.head);
        }
        to.write_all(&without_definer(&line.head, place)).map_err(CopyError::Write)?;
        line.copy_rest(&mut from, to)?;
        place = place_after(place, &line, &mut delimiter);
    }
    Ok(ending)
}

fn ending_at(head: &[u8]) -> Ending {
    if head.starts_with(COMPLETED) { Ending::Completed } else { Ending::CutOff }
}

/// Where the line after `line` is.
fn place_after(place: Place, line: &Line, delimiter: &mut Vec<u8>) -> Place {
    if place == Place::Start {
        if line.is_blank() || line.head.starts_with(b"--") {
            return Place::Start;
        }
        if let Some(new) = line.head.strip_prefix(DELIMITER) {
            *delimiter = new.trim_ascii().to_vec();
            return Place::Start;
        }
        if line.head.starts_with(VIEW_FIRST) {
            return Place::ViewSecond;
        }
    }
    if line.ends_with(delimiter) { Place::Start } else { Place::Inside }
}

/// The beginning of a line, without the definer if it is one of the statements that have one.
fn without_definer(head: &[u8], place: Place) -> Vec<u8> {
    let prefixes: &[&[u8]] = match place {
        Place::Start => &PREFIXES,
        Place::ViewSecond => &[VIEW_SECOND],
        Place::Inside => &[],
    };
    let found = prefixes.iter().find_map(|prefix| Some((*prefix, head.strip_prefix(*prefix)?)));
    let Some((prefix, rest)) = found else {
        return head.to_vec();
    };
    let Some(rest) = after_account(rest) else {
        return head.to_vec();
    };
    let before = prefix.strip_suffix(DEFINER).unwrap_or(prefix);
    [before, rest.strip_prefix(b" ").unwrap_or(rest)].concat()
}

/// What follows `user`@`host` or a role; `None` when it is neither, or longer than the head.
fn after_account(text: &[u8]) -> Option<&[u8]> {
    let rest = after_quoted(text)?;
    match rest.strip_prefix(b"@") {
        Some(host) => after_quoted(host),
        None => Some(rest),
    }
}

/// What follows a quoted identifier: back quotes, or double ones when the mode says so.
fn after_quoted(text: &[u8]) -> Option<&[u8]> {
    let quote = *text.first().filter(|quote| matches!(quote, b'`' | b'"'))?;
    let mut rest = text.get(1..)?;
    loop {
        let end = rest.iter().position(|byte| *byte == quote)?;
        rest = rest.get(end + 1..)?;
        match rest.strip_prefix(&[quote]) {
            Some(after_doubled) => rest = after_doubled,
            None => return Some(rest),
        }
    }
}

/// One line, of which the head and the last bytes are kept.
#[derive(Default)]
struct Line {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Line {
    /// Reads to the end of the line or of the head; whether there was a line.
    fn read_head(&mut self, from: &mut impl BufRead) -> io::Result<bool> {
        self.head.clear();
        self.tail.clear();
        let mut limited = io::Read::take(&mut *from, HEAD as u64);
        limited.read_until(b'\n', &mut self.head)?;
        remember(&mut self.tail, &self.head);
        Ok(!self.head.is_empty())
    }

    /// Copies what the head left of the line.
    fn copy_rest(&mut self, from: &mut impl BufRead, to: &mut impl Write) -> Result<(), CopyError> {
        let mut ended = self.head.ends_with(b"\n");
        while !ended {
            let chunk = from.fill_buf().map_err(CopyError::Read)?;
            if chunk.is_empty() {
                break;
            }
            let end = line_end(chunk);
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            to.write_all(part).map_err(CopyError::Write)?;
            remember(&mut self.tail, part);
            ended = end.is_some();
            let used = part.len();
            from.consume(used);
        }
        Ok(())
    }

    fn is_blank(&self) -> bool {
        self.head.trim_ascii().is_empty()
    }

    fn ends_with(&self, delimiter: &[u8]) -> bool {
        self.tail.trim_ascii_end().ends_with(delimiter)
    }
}

/// Keeps the last bytes of a line.
fn remember(tail: &mut Vec<u8>, part: &[u8]) {
    let new = part.get(part.len().saturating_sub(TAIL)..).unwrap_or_default();
    tail.extend_from_slice(new);
    let surplus = tail.len().saturating_sub(TAIL);
    tail.drain(..surplus);
}

/// Where the next line begins, behind the line break.
fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;
    use proptest::prelude::{any, prop, proptest};

    use super::*;

    fn filtered(dump: &[u8], buffer: usize) -> (Vec<u8>, Ending) {
        let mut out = Vec::new();
        let reader = io::BufReader::with_capacity(buffer, dump);
        let ending = copy_without_definers(reader, &mut out).unwrap();
        (out, ending)
    }

    /// What a filter did to a text, line by line.
    fn check(dump: &str, expected: &str) {
        for buffer in [1, 7, 100_000] {
            let (out, _) = filtered(dump.as_bytes(), buffer);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    /// Written by mariadb-dump 10.11.19 of a database with one of each kind, and with rows, bodies
    /// and a view that quote definers.
    const DUMP: &[u8] = include_bytes!("testdata/definers.sql");

    #[test]
    fn a_real_dump_loses_its_definers_and_nothing_else() {
        let (out, ending) = filtered(DUMP, 100_000);
        assert_eq!(ending, Ending::Completed);
        let before = String::from_utf8_lossy(DUMP).into_owned();
        let after = String::from_utf8(out).unwrap();
        assert_eq!(before.lines().count(), after.lines().count());
        let changed: Vec<String> = before
            .lines()
            .zip(after.lines())
            .filter(|(before, after)| before != after)
            .map(|(before, after)| format!("- {before}\n+ {after}\n"))
            .collect();
        expect_file!["testdata/definers.diff"].assert_eq(&changed.concat());
    }

    #[test]
    fn routines_of_servers_of_2013_lose_theirs() {
        check(
            "/*!50003 CREATE*/ /*!50020 DEFINER=`u1`@`%`*/ /*!50003 PROCEDURE `p`()\n",
            "/*!50003 CREATE*/ /*!50020 */ /*!50003 PROCEDURE `p`()\n",
        );
    }

    #[test]
    fn bodies_rows_and_literals_keep_theirs() {
        for kept in [
            "INSERT INTO `t` VALUES\n(1,'a'),\nCREATE DEFINER=`a`@`b` PROCEDURE\n(2);\n",
            "DELIMITER ;;\nCREATE PROCEDURE `p`()\nbegin\nselect 1;\nCREATE DEFINER=`a`@`b` x\nend\n;;\n",
            "/*!50013 DEFINER=`a`@`b` SQL SECURITY DEFINER */\n",
            "CREATE DEFINER=`cut",
            "CREATE DEFINER=root@localhost PROCEDURE p() begin end\n",
        ] {
            check(kept, kept);
        }
    }

    #[test]
    fn any_account_is_recognised() {
        for account in ["`a`@`b`", "`a``@``b`@`%`", "\"a\"@\"%\"", "`role`", "``@``"] {
            let dump = format!("CREATE DEFINER={account} PROCEDURE `p`() select 1;\n");
            check(&dump, "CREATE PROCEDURE `p`() select 1;\n");
        }
    }

    #[test]
    fn statements_follow_each_other_whatever_ends_them() {
        check(
            "SELECT 1 ;\nDELIMITER $$\nselect 2;\nCREATE DEFINER=`a`@`b` x$$\n\
             CREATE DEFINER=`a`@`b` x $$ \nDELIMITER ;\nCREATE DEFINER=`a`@`b` x",
            "SELECT 1 ;\nDELIMITER $$\nselect 2;\nCREATE DEFINER=`a`@`b` x$$\n\
             CREATE x $$ \nDELIMITER ;\nCREATE x",
        );
    }

    #[test]
    fn a_dump_that_is_cut_off_is_noticed() {
        let cut = DUMP.len() - 20;
        assert_eq!(filtered(&DUMP[..cut], 100).1, Ending::CutOff);
        assert_eq!(filtered(b"", 100).1, Ending::CutOff);
        assert_eq!(filtered(b"-- Dump completed on 2026-01-01\n\n", 100).1, Ending::Completed);
        assert_eq!(filtered(b"-- Dump completed\nSELECT 1;\n", 100).1, Ending::CutOff);
    }

    #[test]
    fn long_lines_stream_through() {
        let row = format!("({})", "x".repeat(3 * HEAD));
        let dump = format!("INSERT INTO `t` VALUES {row};\nCREATE DEFINER=`a`@`b` x;\n");
        check(&dump, &format!("INSERT INTO `t` VALUES {row};\nCREATE x;\n"));
    }

    proptest! {
        #[test]
        fn what_has_no_definer_is_not_changed(
            lines in prop::collection::vec("[ -~]{0,40}", 0..20),
            buffer in 1_usize..50,
        ) {
            let dump = lines.join("\n").replace("DEFINER", "");
            assert_eq!(filtered(dump.as_bytes(), buffer).0, dump.as_bytes());
        }

        #[test]
        fn no_bytes_make_it_fail(dump in prop::collection::vec(any::<u8>(), 0..2_000)) {
            filtered(&dump, 100);
        }
    }
}
