//! Distances on the globe, a sphere to these commands, and the units that they are given in.

use super::cell::Place;
use crate::error::Error;
use std::f64::consts::PI;

/// The earth's radius in metres.
pub const RADIUS_M: f64 = 6372797.560856;

/// Degrees as an angle.
pub fn radians(degrees: f64) -> f64 {
    degrees * (PI / 180.0)
}

/// An angle in degrees.
pub fn degrees(radians: f64) -> f64 {
    radians / (PI / 180.0)
}

/// The distance of two latitudes, in metres.
pub fn between_latitudes(one: f64, other: f64) -> f64 {
    RADIUS_M * (radians(other) - radians(one)).abs()
}

/// The distance of two places, in metres, by the haversine formula.
pub fn distance(from: Place, to: Place) -> f64 {
    let half_sine = |from: f64, to: f64| ((to - from) / 2.0).sin();
    let across = half_sine(radians(from.longitude), radians(to.longitude));
    if across == 0.0 {
        return between_latitudes(from.latitude, to.latitude);
    }
    let (from, to) = (radians(from.latitude), radians(to.latitude));
    let along = half_sine(from, to);
    let haversine = along * along + from.cos() * to.cos() * across * across;
    2.0 * RADIUS_M * haversine.sqrt().asin()
}

/// A unit of length: its metres.
pub fn parse_unit(word: &[u8]) -> Result<f64, Error> {
    let units: [(&[u8], f64); 4] =
        [(b"m", 1.0), (b"km", 1000.0), (b"ft", 0.3048), (b"mi", 1609.34)];
    let found = units.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
    found.map(|(_, metres)| *metres).ok_or(Error::UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance() {
        let at = |longitude, latitude| Place { longitude, latitude };
        let length = distance(at(13.361389, 38.115556), at(15.087269, 37.502669));
        assert!((length - 166_274.0).abs() < 1.0, "{length}");
        let meridian = distance(at(5.0, 0.0), at(5.0, 45.0));
        assert!((meridian - RADIUS_M * PI / 4.0).abs() < 1e-6);
    }
}
