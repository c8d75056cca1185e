//! Places and searches among them.
//!
//! Most places lie in one part of the world, so that searches find some. They have many digits: of
//! members that are equally far from a centre, servers may take different ones.

use super::Generator;
use crate::source::{Choice, Source};
use crate::stream::Command;

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "GEOADD", weight: 60, draw: add },
    Generator { name: "GEODIST", weight: 20, draw: dist },
    Generator { name: "GEOPOS", weight: 15, draw: members },
    Generator { name: "GEOHASH", weight: 15, draw: members },
    Generator { name: "GEOSEARCH", weight: 60, draw: |s, c| search(s, c, false) },
    Generator { name: "GEOSEARCHSTORE", weight: 25, draw: |s, c| search(s, c, true) },
    Generator { name: "GEORADIUS", weight: 20, draw: |s, c| radius(s, c, true, false) },
    Generator { name: "GEORADIUS_RO", weight: 8, draw: |s, c| radius(s, c, false, false) },
    Generator { name: "GEORADIUSBYMEMBER", weight: 20, draw: |s, c| radius(s, c, true, true) },
    Generator { name: "GEORADIUSBYMEMBER_RO", weight: 8, draw: |s, c| radius(s, c, false, true) },
];

fn member(source: &mut Source) -> Vec<u8> {
    if source.chance(97) { format!("m{}", source.below(40)).into_bytes() } else { source.value() }
}

/// A degree with many digits, in the first part of the circle or anywhere.
fn degree(source: &mut Source, from: i64, most: i64) -> Vec<u8> {
    let whole = match source.below(10) {
        0..6 => from + source.below(8) as i64,
        _ => source.below(2 * most as usize) as i64 - most,
    };
    format!("{whole}.{:09}", source.below(1_000_000_000)).into_bytes()
}

fn longitude(source: &mut Source) -> Vec<u8> {
    const EDGES: &[&str] = &["180", "-180", "179.999999", "-179.9", "0", "181", "1e2", "inf"];
    match source.below(40) {
        0 => source.pick(EDGES).into(),
        1 => source.float(),
        _ => degree(source, 12, 180),
    }
}

fn latitude(source: &mut Source) -> Vec<u8> {
    const EDGES: &[&str] = &["85.05112878", "-85.05112878", "85", "0", "86", "-90"];
    match source.below(40) {
        0 => source.pick(EDGES).into(),
        1 => source.float(),
        _ => degree(source, 36, 85),
    }
}

fn unit(source: &mut Source) -> Vec<u8> {
    let word = source.pick(&["m", "km", "km", "ft", "mi", "KM", "yd"]);
    if source.chance(90) { word.into() } else { source.cased(word) }
}

/// A length, of any size that there is on a globe.
fn length(source: &mut Source) -> Vec<u8> {
    match source.below(20) {
        0 => source.float(),
        1 => source.pick(&["0", "-1", "inf", "1e9"]).into(),
        _ => {
            let digits = 1 + source.below(4) as u32;
            format!("{}.{}", source.below(10usize.pow(digits)), source.below(10)).into_bytes()
        }
    }
}

fn add(source: &mut Source, command: &mut Command) {
    command.args.push(source.key());
    source.options(
        command,
        &[(12, Choice::Word("NX")), (12, Choice::Word("XX")), (25, Choice::Word("CH"))],
    );
    for _ in 0..1 + source.below(6) {
        command.args.extend([longitude(source), latitude(source), member(source)]);
    }
}

fn dist(source: &mut Source, command: &mut Command) {
    command.args.extend([source.key(), member(source), member(source)]);
    if source.chance(60) {
        command.args.push(unit(source));
    }
}

fn members(source: &mut Source, command: &mut Command) {
    command.args.push(source.key());
    for _ in 0..source.below(4) {
        command.args.push(member(source));
    }
}

fn circle(source: &mut Source) -> Vec<Vec<u8>> {
    vec![length(source), unit(source)]
}

fn reply_options(source: &mut Source, command: &mut Command, plain: bool) {
    let with = if plain { 3 } else { 30 };
    source.options(
        command,
        &[
            (with, Choice::Word("WITHDIST")),
            (with, Choice::Word("WITHHASH")),
            (with, Choice::Word("WITHCOORD")),
            (30, Choice::Word("ASC")),
            (30, Choice::Word("DESC")),
        ],
    );
    if source.chance(35) {
        let count = match source.below(12) {
            0 => source.integer(),
            n => (n + 1).to_string().into_bytes(),
        };
        command.args.extend([source.cased("COUNT"), count]);
    }
    if source.chance(10) {
        command.args.push(source.cased("ANY"));
    }
}

fn search(source: &mut Source, command: &mut Command, stores: bool) {
    if stores {
        command.args.push(source.key());
    }
    command.args.push(source.key());
    if source.chance(15) {
        let corners = 3 + source.below(4);
        command.args.extend([source.cased("BYPOLYGON"), corners.to_string().into_bytes()]);
        for _ in 0..corners {
            command.args.extend([degree(source, 12, 180), degree(source, 36, 85)]);
        }
    } else {
        if source.chance(50) {
            command.args.extend([source.cased("FROMMEMBER"), member(source)]);
        } else {
            command.args.extend([source.cased("FROMLONLAT"), longitude(source), latitude(source)]);
        }
        if source.chance(50) {
            command.args.push(source.cased("BYRADIUS"));
        } else {
            command.args.extend([source.cased("BYBOX"), length(source)]);
        }
        command.args.extend(circle(source));
    }
    reply_options(source, command, stores);
    if stores && source.chance(40) {
        command.args.push(source.cased("STOREDIST"));
    }
}

fn radius(source: &mut Source, command: &mut Command, may_store: bool, by_member: bool) {
    command.args.push(source.key());
    if by_member {
        command.args.push(member(source));
    } else {
        command.args.extend([longitude(source), latitude(source)]);
    }
    command.args.extend(circle(source));
    let stores = may_store && source.chance(40);
    reply_options(source, command, stores);
    if stores {
        let word = source.pick(&["STORE", "STOREDIST"]);
        command.args.extend([source.cased(word), source.key()]);
    }
}
