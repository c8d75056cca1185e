//! The names of the log's files, from which follows what has to be read.
//!
//! ```text
//! appendonly.00000000000000000041.base    a snapshot that holds what records 1..=41 did
//! appendonly.00000000000000000030.log     a segment of the log whose first record is 30
//! appendonly.00000000000000000055.log     the next one; the other ends with record 54
//! ```
//!
//! So there is no list of files that could disagree with the files. A base has its name once it is
//! whole and safe; only then the files that it makes superfluous are removed.

/// The digits of a sequence number in a name.
const DIGITS: usize = 20;

/// The name of the snapshot that holds what the records up to `sequence` did.
pub fn base(prefix: &str, sequence: u64) -> String {
    format!("{prefix}.{sequence:0DIGITS$}.base")
}

/// The name of the segment whose first record is `first`.
pub fn segment(prefix: &str, first: u64) -> String {
    format!("{prefix}.{first:0DIGITS$}.log")
}

/// The name that a file has until it is whole: of no two processes the same.
pub fn unfinished(name: &str, process: u32) -> String {
    format!("temp-{process}-{name}")
}

/// Whether a file is an unfinished one of any process, and its name would begin with `prefix`.
pub fn is_unfinished(file: &str, prefix: &str) -> bool {
    let Some(rest) = file.strip_prefix("temp-") else { return false };
    // Files of older versions name no process.
    let behind = rest.trim_start_matches(|digit: char| digit.is_ascii_digit()).strip_prefix('-');
    rest.starts_with(prefix) || behind.is_some_and(|name| name.starts_with(prefix))
}

/// The name of the snapshot that stands beside Redis's `dbfilename`.
pub fn dump(dbfilename: &str) -> String {
    format!("{}.redstart", dbfilename.strip_suffix(".rdb").unwrap_or(dbfilename))
}

/// What log files get their names from: Redis's `appendfilename` without its ending.
pub fn prefix(appendfilename: &str) -> &str {
    appendfilename.strip_suffix(".aof").unwrap_or(appendfilename)
}

/// What is to be read at a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The newest base, by the last record that it holds.
    pub base: Option<u64>,
    /// The segments that matter, by their first records, ascending.
    pub segments: Vec<u64>,
    /// What does not: older files, and unfinished ones.
    pub superfluous: Vec<String>,
}

impl Plan {
    /// Sorts the files of a directory.
    pub fn of(prefix: &str, names: &[String]) -> Plan {
        let number = |name: &str, ending: &str| -> Option<u64> {
            let digits = name.strip_prefix(prefix)?.strip_prefix('.')?.strip_suffix(ending)?;
            (digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit()))
                .then(|| digits.parse().ok())?
        };
        let mut bases: Vec<u64> = names.iter().filter_map(|name| number(name, ".base")).collect();
        let mut segments: Vec<u64> = names.iter().filter_map(|name| number(name, ".log")).collect();
        bases.sort_unstable();
        segments.sort_unstable();
        let base_at = bases.pop();
        let start = base_at.map_or(1, |sequence| sequence.saturating_add(1));
        let first = segments.iter().rposition(|&first| first <= start).unwrap_or(0);
        let needed = segments.split_off(first);
        let unfinished = names.iter().filter(|name| is_unfinished(name, prefix));
        let superfluous = bases.iter().map(|&sequence| base(prefix, sequence));
        let superfluous = superfluous.chain(segments.iter().map(|&first| segment(prefix, first)));
        let superfluous = superfluous.chain(unfinished.cloned()).collect();
        Plan { base: base_at, segments: needed, superfluous }
    }

    /// The names of the files that are to be read.
    pub fn names(&self, prefix: &str) -> impl Iterator<Item = String> {
        let base = self.base.map(|sequence| base(prefix, sequence));
        base.into_iter().chain(self.segments.iter().map(move |&first| segment(prefix, first)))
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.segments.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_base_decides_what_is_needed() {
        let (p, q) = ("appendonly", "other");
        let names = [base(p, 9), base(p, 41), segment(p, 1), segment(p, 30), segment(p, 55)];
        let more = [unfinished(&base(p, 60), 7), base(q, 70), "dump.redstart".into()];
        let plan = Plan::of(p, &[&names[..], &more[..]].concat());
        assert_eq!(plan.base, Some(41));
        assert_eq!(plan.segments, [30, 55]);
        assert!(plan.names(p).eq([base(p, 41), segment(p, 30), segment(p, 55)]));
        assert_eq!(plan.superfluous, [base(p, 9), segment(p, 1), unfinished(&base(p, 60), 7)]);
        assert!(Plan::of(p, &more[1..]).is_empty());
        assert_eq!(dump("dump.rdb"), "dump.redstart");
    }

    #[test]
    fn unfinished_files_are_known_whoever_left_them() {
        for file in [&unfinished("dump.redstart", 1), &unfinished("dump.redstart", 4_000_000)] {
            assert!(is_unfinished(file, "dump.redstart"), "{file}");
            assert!(!is_unfinished(file, "other.redstart"), "{file}");
        }
        assert!(is_unfinished("temp-dump.redstart", "dump.redstart"));
        // Redis's own.
        for file in ["temp-123.rdb", "temp-rewriteaof-bg-123.aof", "dump.redstart"] {
            assert!(!is_unfinished(file, "dump.redstart"), "{file}");
        }
    }
}
