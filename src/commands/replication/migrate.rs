//! MIGRATE: refused, as nothing here connects to other servers.

use crate::commands::declare::is;
use redstart_engine::spec::*;
use redstart_engine::{DataCommand, Error};
use redstart_protocol::Args;

/// MIGRATE host port <key | ""> destination-db timeout ...
pub static MIGRATE: DataCommand = declare("migrate", Group::Generic, Arity::AtLeast(6))
    .flags(WRITE | NONDETERMINISTIC | DANGEROUS)
    .keys(&[
        KeySpec {
            begin: Begin::IndexIf(3, |args| keys_word(args).is_none()),
            find: Find::Range { last: 0, step: 1 },
            access: RW | ACCESS | DELETE,
        },
        KeySpec {
            begin: Begin::Option("KEYS", -2, keys_of),
            find: Find::Range { last: -1, step: 1 },
            access: RW | ACCESS | DELETE | INCOMPLETE,
        },
    ])
    .since("2.6.0")
    .complexity("O(1): it is refused.")
    .summary("Moves keys to another server; refused, as nothing here connects to others.")
    .syntax(
        "host port <key | \"\"> destination-db timeout [COPY] [REPLACE] \
         [AUTH password | AUTH2 username password] [KEYS key [key ...]]",
    )
    .run(|_| {
        let text = "ERR Redstart does not connect to other servers: DUMP here and RESTORE there";
        Err(Error::text(text))
    });

/// Where MIGRATE has the word behind which keys follow, if any do.
fn keys_word(args: Args<'_>) -> Option<usize> {
    let mut at = 6;
    while at + 1 < args.len() {
        at += match &args[at] {
            word if is(word, "keys") => return Some(at),
            word if is(word, "auth") => 2,
            word if is(word, "auth2") => 3,
            _ => 1,
        };
    }
    None
}

/// Where MIGRATE's several keys begin; nowhere beside a key that stands alone.
fn keys_of(args: Args<'_>) -> Option<usize> {
    keys_word(args).filter(|_| args[3].is_empty()).map(|at| at + 1)
}
