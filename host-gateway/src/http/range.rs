//! Which bytes a request asks for: one range of a body (RFC 9110, section 14). Pure.

/// What is sent of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// `length` bytes from `from` on; at least one.
    Range { from: u64, length: u64 },
    /// The range begins behind the end.
    Unsatisfiable,
}

/// What `range` asks of a body of `size` bytes whose entity tag is `tag`.
///
/// What is no single range of bytes is ignored, as the standard allows; so is a range whose
/// condition `if_range` names another body.
pub(super) fn part(range: Option<&str>, if_range: Option<&str>, tag: &str, size: u64) -> Part {
    let Some(spec) = range.and_then(|range| range.trim().strip_prefix("bytes=")) else {
        return Part::Whole;
    };
    if if_range.is_some_and(|condition| condition.trim() != tag) {
        return Part::Whole;
    }
    let Some((first, last)) = spec.trim().split_once('-') else { return Part::Whole };
    match (number(first), number(last)) {
        (Some(Some(first)), Some(last)) if last.is_none_or(|last| last >= first) => {
            if first >= size {
                return Part::Unsatisfiable;
            }
            let last = last.unwrap_or(u64::MAX).min(size - 1);
            Part::Range { from: first, length: last - first + 1 }
        }
        (Some(None), Some(Some(suffix))) => {
            let length = suffix.min(size);
            if length == 0 {
                return Part::Unsatisfiable;
            }
            Part::Range { from: size - length, length }
        }
        (Some(_) | None, Some(_) | None) => Part::Whole,
    }
}

/// Digits; `Some(None)` when there is nothing, `None` when there is something else.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has is behind every end.
        return Some(Some(text.parse().unwrap_or(u64::MAX)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "\"abc\"";

    fn check(range: &str, expected: Part) {
        assert_eq!(part(Some(range), None, TAG, 100), expected, "{range}");
    }

    #[test]
    fn one_range_is_served() {
        check("bytes=0-0", Part::Range { from: 0, length: 1 });
        check("bytes=10-19", Part::Range { from: 10, length: 10 });
        check("bytes=90-", Part::Range { from: 90, length: 10 });
        check("bytes=90-1000", Part::Range { from: 90, length: 10 });
        check("bytes=-7", Part::Range { from: 93, length: 7 });
        check("bytes=-700", Part::Range { from: 0, length: 100 });
        check("bytes=5-99999999999999999999999", Part::Range { from: 5, length: 95 });
    }

    #[test]
    fn a_range_behind_the_end_is_refused() {
        check("bytes=100-", Part::Unsatisfiable);
        check("bytes=99999999999999999999999-", Part::Unsatisfiable);
        check("bytes=-0", Part::Unsatisfiable);
        assert_eq!(part(Some("bytes=0-"), None, TAG, 0), Part::Unsatisfiable);
    }

    #[test]
    fn what_is_no_single_range_is_ignored() {
        for range in [
            "bytes=0-1,5-6",
            "bytes=a-b",
            "bytes=-",
            "bytes=5",
            "bytes=9-5",
            "lines=0-1",
            "",
            "bytes=+1-2",
        ] {
            check(range, Part::Whole);
        }
        assert_eq!(part(None, None, TAG, 100), Part::Whole);
    }

    #[test]
    fn a_range_of_another_body_is_ignored() {
        let range = Part::Range { from: 5, length: 95 };
        assert_eq!(part(Some("bytes=5-"), Some(TAG), TAG, 100), range);
        for other in ["\"def\"", "W/\"abc\"", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(part(Some("bytes=5-"), Some(other), TAG, 100), Part::Whole);
        }
    }
}
