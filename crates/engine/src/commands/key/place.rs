//! A value and its deadline go to another name or database: RENAME, COPY, MOVE.
//!
//! A key's name has the same shard in every database, so MOVE and COPY to another database run
//! under the locks that their keys have anyway.

use super::database::{database, small_integer};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::run::key_access::KeyAccess;
use crate::spec::*;
use crate::storage::entry::{Entry, NewValue};

/// RENAME key newkey
pub static RENAME: DataCommand = declare("rename", Group::Generic, Exactly(3))
    .flags(WRITE)
    .keys(&[KeySpec::at(1, RW | ACCESS | DELETE), KeySpec::at(2, OW | UPDATE)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Gives a key's value and time to live another name, over whatever had it.")
    .syntax("key newkey")
    .run(|call| rename(call, IfTaken::Replace));

/// RENAMENX key newkey
pub static RENAMENX: DataCommand = declare("renamenx", Group::Generic, Exactly(3))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | DELETE), KeySpec::at(2, OW | INSERT)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Renames a key if nothing has the new name.")
    .syntax("key newkey")
    .run(|call| rename(call, IfTaken::Refuse));

/// What becomes of a key whose name is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IfTaken {
    Replace,
    Refuse,
}

fn rename(call: &mut Call<'_>, if_taken: IfTaken) -> Result<(), Error> {
    let (from, to) = (call.key(0), call.key(1));
    if call.space.find(from).is_none() {
        return Err(Error::NO_SUCH_KEY);
    }
    let refused = if_taken == IfTaken::Refuse && call.space.find(to).is_some();
    if from.bytes != to.bytes && !refused {
        let db = call.space.db;
        let (new, old) = (call.space.kind_of(from), call.space.kind_of(to));
        relocate(&mut call.space, from, db, to);
        call.emit_as_is();
        if let (Some(new), Some(old)) = (new, old) {
            call.space.note_overwritten(to, old, new);
        }
    }
    match if_taken {
        IfTaken::Replace => call.reply.ok(),
        IfTaken::Refuse => call.reply.integer(i64::from(!refused)),
    }
    Ok(())
}

/// Moves the value and the deadline of `from`, which is there, to the name `to` in database `db`.
fn relocate(space: &mut KeyAccess<'_>, from: Key<'_>, db: usize, to: Key<'_>) {
    let Some(slot) = space.find(from) else { return };
    let entry = space.take(from, slot);
    let deadline_ms = entry.deadline_ms();
    let mut entry = entry.renamed(to.bytes, deadline_ms);
    space.note_moved(&mut entry);
    space.retag(&mut entry, db, to);
    in_db(space, db, |space| space.place(to, entry));
    space.count_changes(1);
}

/// Calls `f` with another database selected.
fn in_db<R>(space: &mut KeyAccess<'_>, db: usize, f: impl FnOnce(&mut KeyAccess<'_>) -> R) -> R {
    let selected = std::mem::replace(&mut space.db, db);
    let result = f(space);
    space.db = selected;
    result
}

/// COPY source destination [DB destination-db] [REPLACE]
pub static COPY: DataCommand = declare("copy", Group::Generic, AtLeast(3))
    .databases(Databases::Behind("DB", 3))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::at(1, RO | ACCESS), KeySpec::at(2, OW | UPDATE)])
    .since("6.2.0")
    .complexity("O(1) for a string, O(N) for a collection with N elements, nested ones too.")
    .summary("Copies a key's value and time to live to another key or database.")
    .syntax("source destination [DB destination-db] [REPLACE]")
    .run(copy);

fn copy(call: &mut Call<'_>) -> Result<(), Error> {
    let (from, to) = (call.key(0), call.key(1));
    let (mut db, mut if_taken) = (call.space.db, IfTaken::Refuse);
    let mut at = 3;
    while let Some(word) = call.args.get(at) {
        if word.eq_ignore_ascii_case(b"REPLACE") {
            if_taken = IfTaken::Replace;
        } else if word.eq_ignore_ascii_case(b"DB") && at + 1 < call.args.len() {
            db = database(call, small_integer(call, at + 1)?)?;
            at += 1;
        } else {
            return Err(Error::SYNTAX);
        }
        at += 1;
    }
    if db == call.space.db && from.bytes == to.bytes {
        return Err(Error::SAME_OBJECT);
    }
    let age = call.options.aging().fresh(call.now());
    let space = &mut call.space;
    let present = space.read(from).is_some();
    let old = if present { in_db(space, db, |space| space.kind_of(to)) } else { None };
    let stored = present && (old.is_none() || if_taken == IfTaken::Replace);
    let mut new = None;
    // Found again: looking the other name up may have changed the table.
    if stored && let Some(slot) = space.find(from) {
        let object = space.copy_of(from, slot).map(|object| NewValue::Object(Box::new(object)));
        let entry = space.entry(from, slot);
        new = Some(entry.kind());
        let value = object.unwrap_or_else(|| entry.clone_value());
        let mut copied = Entry::new(to.bytes, value, entry.deadline_ms());
        copied.touch(age);
        copied.set_tags(entry.tags().into());
        space.retag(&mut copied, db, to);
        in_db(space, db, |space| space.place(to, copied));
        space.count_changes(1);
    }
    if stored {
        let index = db.to_string();
        let words = [b"COPY", from.bytes, to.bytes, b"DB", index.as_bytes(), b"REPLACE"];
        call.space.emit(|| words);
    }
    if let (Some(new), Some(old)) = (new, old) {
        in_db(&mut call.space, db, |space| space.note_overwritten(to, old, new));
    }
    call.reply.integer(i64::from(stored));
    Ok(())
}

/// MOVE key db
pub static MOVE: DataCommand = declare("move", Group::Generic, Exactly(3))
    .databases(Databases::At(&[2]))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE)])
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Moves a key to another database, unless its name is taken there.")
    .syntax("key db")
    .run(move_to_db);

fn move_to_db(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    let db = database(call, small_integer(call, 2)?)?;
    if db == call.space.db {
        return Err(Error::SAME_OBJECT);
    }
    let moves = call.space.find(key).is_some()
        && in_db(&mut call.space, db, |space| space.find(key).is_none());
    if moves {
        relocate(&mut call.space, key, db, key);
        call.emit_as_is();
    }
    call.reply.integer(i64::from(moves));
    Ok(())
}
