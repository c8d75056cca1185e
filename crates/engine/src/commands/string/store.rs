//! What the commands do that end in a SET of one key.

use crate::run::call::Call;
use crate::storage::entry::NewValue;
use crate::storage::table::Slot;

/// Stores a value with a deadline under the first key, and emits `SET k v [PXAT t]`.
pub fn store(call: &mut Call<'_>, slot: Option<Slot>, value: NewValue<'_>, deadline_ms: u64) {
    let key = call.key(0);
    let slot = call.space.put(key, slot, value, deadline_ms);
    if call.space.listened_to() {
        call.space.emit_set(key, slot);
    }
}
