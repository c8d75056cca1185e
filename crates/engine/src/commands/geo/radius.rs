//! The older searches, in a circle only: GEORADIUS, GEORADIUSBYMEMBER, and their read-only forms.

use super::query::{Form, Stored, stored_at};
use super::search::search;
use crate::run::command::DataCommand;
use crate::spec::*;
use redstart_protocol::Args;

const ONE: Find = Find::Range { last: 0, step: 1 };

const fn option(word: &'static str, from: i16, find: fn(Args<'_>) -> Option<usize>) -> KeySpec {
    KeySpec { begin: Begin::Option(word, from, find), find: ONE, access: OW | UPDATE }
}

fn key_of(args: Args<'_>, form: Form, stored: Stored) -> Option<usize> {
    let (at, found) = stored_at(args, form.options_at())?;
    (found == stored).then_some(at)
}

const BY_PLACE: &[KeySpec] = &[
    KeySpec::at(1, RO | ACCESS),
    option("STORE", 6, |args| key_of(args, Form::Radius, Stored::Cells)),
    option("STOREDIST", 6, |args| key_of(args, Form::Radius, Stored::Distances)),
];

const BY_MEMBER: &[KeySpec] = &[
    KeySpec::at(1, RO | ACCESS),
    option("STORE", 5, |args| key_of(args, Form::RadiusByMember, Stored::Cells)),
    option("STOREDIST", 5, |args| key_of(args, Form::RadiusByMember, Stored::Distances)),
];

/// GEORADIUS key longitude latitude radius unit [option ...]
pub static GEORADIUS: DataCommand = declare("georadius", Group::Geo, AtLeast(6))
    .flags(WRITE | DENYOOM)
    .keys(BY_PLACE)
    .since("3.2.0")
    .complexity("O(N+log(M)) with N members around the circle, of M.")
    .summary("Returns or stores the members within a circle.")
    .syntax(
        "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT \
         count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]",
    )
    .run(|call| search(call, Form::Radius));

/// GEORADIUS_RO key longitude latitude radius unit [option ...]
pub static GEORADIUS_RO: DataCommand = declare("georadius_ro", Group::Geo, AtLeast(6))
    .flags(READONLY)
    .keys(BY_PLACE.split_at(1).0)
    .since("3.2.10")
    .complexity("O(N+log(M)) with N members around the circle, of M.")
    .summary("Returns the members within a circle.")
    .syntax(
        "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT \
         count [ANY]] [ASC | DESC]",
    )
    .run(|call| search(call, Form::Radius));

/// GEORADIUSBYMEMBER key member radius unit [option ...]
pub static GEORADIUSBYMEMBER: DataCommand = declare("georadiusbymember", Group::Geo, AtLeast(5))
    .flags(WRITE | DENYOOM)
    .keys(BY_MEMBER)
    .since("3.2.0")
    .complexity("O(N+log(M)) with N members around the circle, of M.")
    .summary("Returns or stores the members within a circle around one of them.")
    .syntax(
        "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count \
         [ANY]] [ASC | DESC] [STORE key | STOREDIST key]",
    )
    .run(|call| search(call, Form::RadiusByMember));

/// GEORADIUSBYMEMBER_RO key member radius unit [option ...]
pub static GEORADIUSBYMEMBER_RO: DataCommand =
    declare("georadiusbymember_ro", Group::Geo, AtLeast(5))
        .flags(READONLY)
        .keys(BY_MEMBER.split_at(1).0)
        .since("3.2.10")
        .complexity("O(N+log(M)) with N members around the circle, of M.")
        .summary("Returns the members within a circle around one of them.")
        .syntax(
            "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count \
             [ANY]] [ASC | DESC]",
        )
        .run(|call| search(call, Form::RadiusByMember));
