//! Places on the globe as 52-bit numbers: the cells of a grid that halves longitude and latitude in
//! turn, 26 times each.
//!
//! ```text
//!   bit   51   50   49   48  ...   1    0
//!         lon  lat  lon  lat      lon  lat      the first pair cuts the map in quarters
//! ```
//!
//! Cells that share their first bits lie in one larger cell, so a larger cell is a range of
//! numbers: the scores of a sorted set find all places in it (G. M. Morton's order, the geohash of
//! G. Niemeyer).
//!
//! Longitudes reach from -180 to 180 degrees, latitudes as far as the square map of Mercator does.

use std::ops::Range;

/// The longest longitude, east and west.
pub const LONGITUDE_MAX: f64 = 180.0;
/// The highest latitude, north and south: where Mercator's map is a square.
pub const LATITUDE_MAX: f64 = 85.05112878;
/// Halvings of each side.
pub const STEPS: u32 = 26;

/// Letters of a geohash: digits and letters without a, i, l and o.
const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
/// Letters of the text that GEOHASH replies.
pub const TEXT_LEN: usize = 11;

/// A place, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// East of Greenwich.
    pub longitude: f64,
    /// North of the equator.
    pub latitude: f64,
}

impl Place {
    /// Whether the place is on the map.
    pub fn is_valid(self) -> bool {
        self.longitude.abs() <= LONGITUDE_MAX && self.latitude.abs() <= LATITUDE_MAX
    }

    /// The smallest cell that the place is in, as a score.
    pub fn score(self) -> f64 {
        Cell::of(self, STEPS).bits as f64
    }

    /// The middle of the cell that a score means.
    pub fn of_score(score: f64) -> Place {
        let (longitude, latitude) = Cell { bits: bits_of(score), steps: STEPS }.sides();
        let middle = |side: Range<f64>, most: f64| {
            let middle = (side.start + side.end) / 2.0;
            middle.clamp(-most, most)
        };
        Place {
            longitude: middle(longitude, LONGITUDE_MAX),
            latitude: middle(latitude, LATITUDE_MAX),
        }
    }

    /// The geohash in letters. Its latitudes reach up to the poles, as is the custom, so its bits
    /// are others; it has 55, of which the last five are not known.
    pub fn text(self) -> [u8; TEXT_LEN] {
        let east = portion(self.longitude, LONGITUDE_MAX, STEPS);
        let north = portion(self.latitude, 90.0, STEPS);
        let bits = interleave(north, east);
        let mut text = [LETTERS[0]; TEXT_LEN];
        for (n, letter) in text[..TEXT_LEN - 1].iter_mut().enumerate() {
            *letter = LETTERS[(bits >> (47 - 5 * n)) as usize & 31];
        }
        text
    }
}

/// A score that no place has is taken for the number that the processor makes of it, as the field's
/// servers do.
fn bits_of(score: f64) -> u64 {
    const HALF: f64 = (1u64 << 63) as f64;
    let truncated = |score: f64| match score {
        score if (-HALF..HALF).contains(&score) => score as i64 as u64,
        _ => 1 << 63,
    };
    if score < HALF { truncated(score) } else { truncated(score - HALF) ^ 1 << 63 }
}

/// A cell of the grid after so many halvings of each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Two bits for each step.
    pub bits: u64,
    /// The halvings.
    pub steps: u32,
}

impl Cell {
    /// The cell that a place is in.
    pub fn of(place: Place, steps: u32) -> Cell {
        let east = portion(place.longitude, LONGITUDE_MAX, steps);
        let north = portion(place.latitude, LATITUDE_MAX, steps);
        Cell { bits: interleave(north, east), steps }
    }

    /// From where to where the cell reaches in longitude, and in latitude.
    pub fn sides(self) -> (Range<f64>, Range<f64>) {
        let (north, east) = (gather(self.bits), gather(self.bits >> 1));
        let cells = (1u64 << self.steps) as f64;
        let side = |at: u32, most: f64| {
            let edge = |at: f64| -most + (at / cells) * (most - -most);
            edge(at as f64)..edge(at as f64 + 1.0)
        };
        (side(east, LONGITUDE_MAX), side(north, LATITUDE_MAX))
    }

    /// The cell so many cells to the east and to the north. Beyond an edge of the map it goes on at
    /// the opposite one. What lies on the eastern or northern edge itself is in a cell behind it,
    /// which has neighbours along that edge.
    pub fn beside(self, east: i32, north: i32) -> Cell {
        let mask = ((1u64 << self.steps) - 1) as u32;
        let moved = |at: u32, by: i32| match by {
            0 => at,
            _ => at.wrapping_add_signed(by) & mask,
        };
        let (y, x) = (moved(gather(self.bits), north), moved(gather(self.bits >> 1), east));
        Cell { bits: interleave(y, x), steps: self.steps }
    }

    /// The scores of all places in the cell: the end is not among them.
    pub fn scores(self) -> Range<f64> {
        let shift = 2 * (STEPS - self.steps);
        let edge = |bits: u64| (bits << shift) as f64;
        edge(self.bits)..edge(self.bits + 1)
    }
}

/// Which of the cells along a side a degree lies in.
fn portion(degree: f64, most: f64, steps: u32) -> u32 {
    let part = (degree - -most) / (most - -most);
    (part * (1u64 << steps) as f64) as u32
}

/// The bits of two numbers in turn, the lowest one of `even` first.
fn interleave(even: u32, odd: u32) -> u64 {
    scatter(even) | scatter(odd) << 1
}

/// Masks of groups of 16, 8, 4, 2 and 1 bits, with as much room above each.
const GROUPS: [(u32, u64); 5] = [
    (16, 0x0000_ffff_0000_ffff),
    (8, 0x00ff_00ff_00ff_00ff),
    (4, 0x0f0f_0f0f_0f0f_0f0f),
    (2, 0x3333_3333_3333_3333),
    (1, 0x5555_5555_5555_5555),
];

/// Moves bit n to bit 2n.
fn scatter(bits: u32) -> u64 {
    GROUPS.iter().fold(bits as u64, |bits, (width, mask)| (bits | bits << width) & mask)
}

/// Moves bit 2n to bit n.
fn gather(bits: u64) -> u32 {
    let (mut bits, mut width) = (bits & GROUPS[4].1, 1);
    for (_, mask) in GROUPS[..4].iter().rev() {
        bits = (bits | bits >> width) & mask;
        width *= 2;
    }
    (bits | bits >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PALERMO: Place = Place { longitude: 13.361389, latitude: 38.115556 };

    #[test]
    fn a_place_is_a_score_and_a_text() {
        assert_eq!(PALERMO.score(), 3479099956230698.0);
        assert_eq!(&PALERMO.text(), b"sqc8b49rny0");
        let found = Place::of_score(3479099956230698.0);
        assert_eq!((found.longitude, found.latitude), (13.361389338970184, 38.1155563954963));
    }

    #[test]
    fn scores_that_are_no_places_are_places() {
        let edge = Place::of_score(-1.0);
        assert_eq!((edge.longitude, edge.latitude), (LONGITUDE_MAX, LATITUDE_MAX));
        assert!(Place::of_score(f64::INFINITY).is_valid());
        assert_eq!(bits_of(-2.0), u64::MAX - 1);
        assert_eq!(bits_of(1e300), 0);
    }

    #[test]
    fn a_cell_has_eight_neighbours() {
        let corner = Cell { bits: 0, steps: 3 };
        assert_eq!(corner.beside(1, 0).bits, 2);
        assert_eq!(corner.beside(0, 1).bits, 1);
        assert_eq!(corner.beside(-1, 0).beside(1, 0), corner);
        assert_eq!(corner.beside(-1, -1).bits, 63);
    }

    proptest! {
        #[test]
        fn a_place_lies_in_its_cells(
            longitude in -180.0..=180.0f64,
            latitude in -85.05112878..=85.05112878f64,
            steps in 1..=STEPS,
        ) {
            let place = Place { longitude, latitude };
            prop_assume!(longitude < 180.0 && latitude < LATITUDE_MAX);
            let cell = Cell::of(place, steps);
            let (east, north) = cell.sides();
            prop_assert!(east.start <= longitude && longitude <= east.end);
            prop_assert!(north.start <= latitude && latitude <= north.end);
            prop_assert!(cell.scores().contains(&place.score()));
            let again = Place::of_score(place.score());
            prop_assert!((again.longitude - longitude).abs() <= 360.0 / (1 << 26) as f64);
            prop_assert!((again.latitude - latitude).abs() <= 171.0 / (1 << 26) as f64);
            prop_assert_eq!(gather(scatter(steps * 77_777)), steps * 77_777);
        }
    }
}
