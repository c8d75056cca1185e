//! GEOADD.

use super::query::place_at;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;

/// GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]
pub static GEOADD: DataCommand = declare("geoadd", Group::Geo, AtLeast(5))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("3.2.0")
    .complexity("O(log(N)) for each member, with N members in the sorted set.")
    .summary("Adds members with their places, or moves them.")
    .syntax("key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]")
    .run(add);

fn add(call: &mut Call<'_>) -> Result<(), Error> {
    let args = call.args;
    let (mut only_new, mut only_known, mut counts_moved) = (false, false, false);
    let mut first = 2;
    while let Some(word) = args.get(first) {
        if word.eq_ignore_ascii_case(b"NX") {
            only_new = true;
        } else if word.eq_ignore_ascii_case(b"XX") {
            only_known = true;
        } else if word.eq_ignore_ascii_case(b"CH") {
            counts_moved = true;
        } else {
            break;
        }
        first += 1;
    }
    if !(args.len() - first).is_multiple_of(3) || only_new && only_known {
        return Err(Error::SYNTAX);
    }
    let starts = (first..args.len()).step_by(3);
    let places = starts.map(|at| Ok((place_at(args, at)?.score(), args.at(at + 2))));
    let places = places.collect::<Result<Vec<_>, Error>>()?;
    let (key, limits) = (call.key(0), call.space.sorted_set_limits(call.options));
    let slot = call.space.find_sorted_set(key)?;
    let (mut added, mut moved) = (0, 0);
    call.space.change_sorted_set(key, slot, |set| {
        for (score, member) in places {
            set.update(member, limits, |old| match old {
                Some(_) if only_new => None,
                None if only_known => None,
                Some(old) => {
                    moved += (old != score) as usize;
                    Some(score)
                }
                None => {
                    added += 1;
                    Some(score)
                }
            });
        }
        added + moved > 0
    });
    if added + moved > 0 {
        call.space.count_changes(added + moved);
        call.emit_as_is();
    }
    call.reply.integer((if counts_moved { added + moved } else { added }) as i64);
    Ok(())
}
