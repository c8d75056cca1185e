//! The one iterator over a command's keys. Locks, ACL patterns and COMMAND GETKEYS all use it, so
//! that they cannot disagree about what a key is.

use crate::error::Error;
use crate::spec::{Access, Begin, Command, Find, KeySpec, NOT_KEY, REACHES};
use redstart_protocol::{Args, parse_i64};

/// Calls `f` with the argument index of every key, in the order of the specs.
///
/// # Errors
/// When a count of keys is no number, not positive, or counts more than there are arguments.
pub fn each_key(
    command: &Command,
    args: Args<'_>,
    mut f: impl FnMut(usize, Access),
) -> Result<(), Error> {
    let keys = command.keys.iter().filter(|spec| spec.access & NOT_KEY == 0);
    keys.into_iter().try_for_each(|spec| each_of_spec(spec, args, &mut f))
}

/// Whether these arguments make the command reach for keys that none of them names.
pub fn reaches_anywhere(command: &Command, args: Args<'_>) -> bool {
    let reaches =
        |spec: &KeySpec| matches!(spec.find, Find::Anywhere) && begin(spec, args).is_some();
    command.is(REACHES) && command.keys.iter().any(reaches)
}

fn each_of_spec(
    spec: &KeySpec,
    args: Args<'_>,
    f: &mut impl FnMut(usize, Access),
) -> Result<(), Error> {
    let Some(begin) = begin(spec, args) else { return Ok(()) };
    match spec.find {
        Find::Range { last, step } => {
            let end = if last >= 0 {
                begin + last as usize
            } else {
                (args.len() as i64 + last as i64).max(0) as usize
            };
            (begin..=end.min(args.len() - 1)).step_by(step as usize).for_each(|at| {
                f(at, spec.access);
            });
        }
        Find::Anywhere => {}
        Find::KeyNum { first, step } => {
            let count = args.get(begin).and_then(parse_i64).ok_or(Error::GETKEYS_INVALID)?;
            let room = args.len().saturating_sub(begin + first as usize).div_ceil(step as usize);
            if count < 1 || count as u64 > room as u64 {
                return Err(Error::GETKEYS_INVALID);
            }
            let first = begin + first as usize;
            (0..count as usize).for_each(|n| f(first + n * step as usize, spec.access));
        }
    }
    Ok(())
}

fn begin(spec: &KeySpec, args: Args<'_>) -> Option<usize> {
    let at = match spec.begin {
        Begin::Index(at) => at as usize,
        Begin::Search(search) => search(args)?,
        Begin::Keyword(word, from) => {
            let is = |at: &usize| args[*at].eq_ignore_ascii_case(word.as_bytes());
            let from_end = (args.len() as i64 + from as i64).max(0) as usize;
            1 + if from >= 0 {
                (from as usize..args.len()).find(is)?
            } else {
                (1..=from_end.min(args.len() - 1)).rev().find(is)?
            }
        }
    };
    (at < args.len()).then_some(at)
}
