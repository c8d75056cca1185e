//! Where members are: GEOPOS, GEOHASH, GEODIST.

use super::cell::Place;
use super::globe::{distance, parse_unit};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use redstart_protocol::Reply;

/// GEOPOS key [member [member ...]]
pub static GEOPOS: DataCommand = declare("geopos", Group::Geo, AtLeast(2))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("3.2.0")
    .complexity("O(1) for each member.")
    .summary("Returns the longitudes and latitudes of members.")
    .syntax("key [member [member ...]]")
    .run(|call| {
        each(call, |reply, place| match place {
            Some(place) => write_place(reply, place),
            None => reply.null_array(),
        })
    });

/// GEOHASH key [member [member ...]]
pub static GEOHASH: DataCommand = declare("geohash", Group::Geo, AtLeast(2))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("3.2.0")
    .complexity("O(1) for each member.")
    .summary("Returns the geohashes of members as texts.")
    .syntax("key [member [member ...]]")
    .run(|call| {
        each(call, |reply, place| match place {
            Some(place) => reply.bulk(&place.text()),
            None => reply.null(),
        })
    });

/// Replies with something about each member's place.
fn each(call: &mut Call<'_>, write: impl Fn(&mut Reply, Option<Place>)) -> Result<(), Error> {
    let (key, hasher) = (call.key(0), call.space.hasher());
    let set = call.space.read_sorted_set(key)?;
    call.reply.array(call.args.len() - 2);
    for member in call.args.iter().skip(2) {
        let score = set.and_then(|set| set.score(member, hasher));
        write(call.reply, score.map(Place::of_score));
    }
    Ok(())
}

/// Writes a longitude and a latitude.
pub fn write_place(reply: &mut Reply, place: Place) {
    reply.array(2);
    reply.score(place.longitude);
    reply.score(place.latitude);
}

/// Writes a length with four decimals.
pub fn write_length(reply: &mut Reply, length: f64) {
    reply.bulk(format!("{length:.4}").as_bytes());
}

/// GEODIST key member1 member2 [M | KM | FT | MI]
pub static GEODIST: DataCommand = declare("geodist", Group::Geo, AtLeast(4))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("3.2.0")
    .complexity("O(1)")
    .summary("Returns the distance between two members.")
    .syntax("key member1 member2 [M | KM | FT | MI]")
    .run(|call| {
        let args = call.args;
        let unit_m = match args.get(4) {
            _ if args.len() > 5 => return Err(Error::SYNTAX),
            Some(unit) => parse_unit(unit)?,
            None => 1.0,
        };
        let (key, hasher) = (call.key(0), call.space.hasher());
        let set = call.space.read_sorted_set(key)?;
        let place = |at| set?.score(args.at(at), hasher).map(Place::of_score);
        match place(2).zip(place(3)) {
            Some((from, to)) => write_length(call.reply, distance(from, to) / unit_m),
            None => call.reply.null(),
        }
        Ok(())
    });
