//! `quota` lines: `quota db 1 bytes 100mb`, `quota prefix cache: keys 1000000 policy allkeys-lru`.

use crate::error::Reason;
use crate::kind::Kind;
use crate::scalar::memory;
use crate::table::Setting;
use redstart_engine::keyspace::quotas::{Of, Policy, QUOTAS_MAX, Quota};

const SYNTAX: &str = "a quota is: db NUMBER or prefix TEXT, then bytes SIZE, keys NUMBER and \
    policy NAME, as far as they are wanted";

/// Reads the words of a line behind `quota`.
///
/// # Errors
/// What is wrong with them.
pub fn parse(words: &[Vec<u8>]) -> Result<Quota, Reason> {
    let [kind, whose, options @ ..] = words else { return Err(SYNTAX.into()) };
    let of = if kind.eq_ignore_ascii_case(b"db") {
        Of::Db(number(whose)? as usize)
    } else if kind.eq_ignore_ascii_case(b"prefix") && !whose.is_empty() {
        Of::Prefix(whose.as_slice().into())
    } else {
        return Err(SYNTAX.into());
    };
    let (mut bytes_max, mut keys_max, mut policy) = (u64::MAX, u64::MAX, "noeviction");
    for option in options.chunks(2) {
        let [name, value] = option else { return Err(SYNTAX.into()) };
        if name.eq_ignore_ascii_case(b"bytes") {
            bytes_max = memory(value).ok_or("the bytes of a quota must be a size, like 100mb")?;
        } else if name.eq_ignore_ascii_case(b"keys") {
            keys_max = number(value)?;
        } else if name.eq_ignore_ascii_case(b"policy") {
            policy = policy_name(value).ok_or("a quota's policy is one of maxmemory-policy's")?;
        } else {
            return Err(SYNTAX.into());
        }
    }
    Ok(Quota::new(of, bytes_max, keys_max, Policy::of_name(policy)))
}

fn number(text: &[u8]) -> Result<u64, Reason> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| "a quota's database and keys must be numbers".into())
}

/// The name of a policy, but for those that compare newcomers, which is done for all keys or none.
fn policy_name(text: &[u8]) -> Option<&'static str> {
    let Kind::Choice(names) = Setting::MaxmemoryPolicy.param().kind else { return None };
    let names = names.iter().map(|name| name.trim_start_matches('~'));
    let mut names = names.filter(|name| !name.ends_with("tinylfu"));
    names.find(|name| text.eq_ignore_ascii_case(name.as_bytes()))
}

/// Whether one more quota is too many, or of the same keys as another.
///
/// # Errors
/// What is wrong with it.
pub fn check(quotas: &[Vec<Vec<u8>>], words: &[Vec<u8>]) -> Result<(), Reason> {
    let quota = parse(words)?;
    let known = |other: &Vec<Vec<u8>>| parse(other).is_ok_and(|other| other.of == quota.of);
    if quotas.iter().any(known) {
        return Err("there is a quota of these keys already".into());
    }
    if quotas.len() == QUOTAS_MAX {
        return Err(format!("there are {QUOTAS_MAX} quotas at most").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_line_is_a_quota() {
        let quota = parse(&words("prefix cache: bytes 2mb policy allkeys-lru keys 10")).unwrap();
        assert_eq!(quota.of, Of::Prefix(b"cache:".as_slice().into()));
        assert_eq!((quota.bytes_max, quota.keys_max), (2 << 20, 10));
        assert_eq!(quota.policy, Policy::of_name("allkeys-lru"));
        let quota = parse(&words("db 3")).unwrap();
        assert_eq!((quota.of, quota.policy.name), (Of::Db(3), "noeviction"));
        for wrong in ["db", "db x", "prefix", "of a", "db 1 bytes", "db 1 bytes x", "db 1 keys -1"]
        {
            assert!(parse(&words(wrong)).is_err(), "{wrong}");
        }
        assert!(parse(&words("db 1 policy allkeys-tinylfu")).is_err());
        assert!(check(&[words("db 1")], &words("db 1 keys 3")).is_err());
        assert!(check(&[words("db 1")], &words("db 2")).is_ok());
    }
}
