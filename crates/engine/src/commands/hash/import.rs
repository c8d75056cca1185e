//! HIMPORT SET: a hash is made of values alone, whose fields the client has named before. The names
//! belong to the client, so the session's commands keep them, and hand them over for one run.

use crate::commands::value::field_value;
use crate::error::Error;
use crate::run::call::Call;
use crate::storage::entry::NewValue;
use crate::storage::value::hash::{Hash, Ttl};
use crate::storage::value::packed::pair_len;
use crate::storage::value::{Object, Type};

const NO_FIELDSET: &str = "ERR no such fieldset";
const OTHER_COUNT: &str = "ERR value count does not match fieldset field count";

/// The first value of HIMPORT SET among its arguments.
const FIRST_VALUE: usize = 4;

/// HIMPORT SET key fieldset-name value [value ...], with the fieldset of that name in
/// [`WorkerState::fieldset`](crate::WorkerState). Another hash under the key is replaced.
///
/// # Errors
/// When the key holds something else, the client has no such fieldset, or it has another number of
/// fields.
pub fn import(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, args) = (call.key(0), call.args);
    let fieldset = call.space.local.fieldset.take();
    let slot = call.space.find_hash(key)?;
    let fieldset = fieldset.ok_or(Error::text(NO_FIELDSET))?;
    if fieldset.fields().len() != args.len() - FIRST_VALUE {
        return Err(Error::text(OTHER_COUNT));
    }
    let pairs = || fieldset.fields().iter().map(|(name, place)| (&name[..], FIRST_VALUE + place));
    let texts = || pairs().flat_map(|(name, at)| [name, args.at(at)]);
    let limits = call.space.hash_limits(call.options);
    let mut hash = Hash::default();
    hash.fit(texts(), limits);
    hash.reserve(pairs().map(|(name, at)| pair_len(name.len(), args.at(at).len(), 0)).sum());
    for (name, at) in pairs() {
        hash.set(name, field_value(args, at), Ttl::Clear, limits);
    }
    if slot.is_some() {
        call.space.note_overwrite(key, slot, Type::Hash);
        call.space.emit(|| [&b"DEL"[..], key.bytes]);
    }
    let slot = call.space.put(key, slot, NewValue::Object(Box::new(Object::Hash(hash))), 0);
    call.space.count_changes(fieldset.fields().len());
    call.space.emit(|| [&b"HSET"[..], key.bytes].into_iter().chain(texts()));
    call.space.emit_tags(key, slot);
    call.reply.ok();
    Ok(())
}
