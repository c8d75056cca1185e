//! Places on the globe: sorted sets whose scores are cells of a grid.

mod add;
mod cell;
mod cover;
mod globe;
mod look;
mod nearest;
mod pieces;
mod query;
mod radius;
mod search;
mod shape;

use crate::run::command::DataCommand;

/// The commands of the family.
pub static COMMANDS: &[&DataCommand] = &[
    &add::GEOADD,
    &look::GEODIST,
    &look::GEOHASH,
    &look::GEOPOS,
    &radius::GEORADIUS,
    &radius::GEORADIUSBYMEMBER,
    &radius::GEORADIUSBYMEMBER_RO,
    &radius::GEORADIUS_RO,
    &search::GEOSEARCH,
    &search::GEOSEARCHSTORE,
];
