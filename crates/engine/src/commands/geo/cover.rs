//! Which cells a search has to look in: the one that its centre is in, and those around it, as far
//! as the area reaches into them.
//!
//! The cells are chosen about as large as the area. Where that is too small, one halving less does.
//! An area that holds a pole is beyond this method: what lies behind the pole may not be found.

use super::cell::{Cell, STEPS};
use super::shape::Shape;
use smallvec::SmallVec;

/// Half of the equator on Mercator's map, in metres.
const MAP_HALF_M: f64 = 20037726.37;

/// The cells to look in: none is there twice.
pub type Cells = SmallVec<[Cell; 9]>;

/// The cells around one, to the east and to the north, in the order in which they are looked in:
/// this is the order of a result that is not sorted.
const AROUND: [(i32, i32); 9] =
    [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];

/// The halvings after which a cell is as large as an area that reaches so far, at this latitude.
fn steps_for(extent_m: f64, latitude: f64) -> u32 {
    if extent_m == 0.0 {
        return STEPS;
    }
    let (mut reach, mut steps) = (extent_m, -1);
    while reach < MAP_HALF_M {
        reach *= 2.0;
        steps += 1;
    }
    // Degrees of longitude are short there.
    steps -= [66.0, 80.0].iter().filter(|limit| latitude.abs() > **limit).count() as i32;
    steps.clamp(1, STEPS as i32) as u32
}

/// The cells that cover an area.
pub fn cells(shape: &Shape) -> Cells {
    let bounds = shape.bounds();
    let mut steps = steps_for(shape.extent_m(), shape.centre.latitude);
    let mut middle = Cell::of(shape.centre, steps);
    let edges = |x: i32, y: i32| middle.beside(x, y).sides();
    let is_short = edges(0, 1).1.end < bounds.north
        || edges(0, -1).1.start > bounds.south
        || edges(1, 0).0.end < bounds.east
        || edges(-1, 0).0.start > bounds.west;
    if is_short && steps > 1 {
        steps -= 1;
        middle = Cell::of(shape.centre, steps);
    }
    let (across, along) = middle.sides();
    let is_useless = |(x, y): (i32, i32)| {
        steps >= 2
            && (y < 0 && along.start < bounds.south
                || y > 0 && along.end > bounds.north
                || x < 0 && across.start < bounds.west
                || x > 0 && across.end > bounds.east)
    };
    let mut cells = Cells::new();
    for (x, y) in AROUND.into_iter().filter(|side| !is_useless(*side)) {
        let cell = middle.beside(x, y);
        // On a map of four cells, the one to the east is the one to the west.
        if !cells.contains(&cell) {
            cells.push(cell);
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::super::cell::{LATITUDE_MAX, Place};
    use super::super::shape::Figure;
    use super::*;
    use proptest::prelude::*;

    fn finds(shape: &Shape, place: Place) -> bool {
        let score = place.score();
        cells(shape).iter().any(|cell| cell.scores().contains(&score))
    }

    #[test]
    fn a_small_area_in_the_middle_of_a_cell_needs_no_other_cell() {
        let centre = Place { longitude: 13.6, latitude: 38.2 };
        let shape = |radius_m| Shape { centre, figure: Figure::Circle { radius_m } };
        assert_eq!(cells(&shape(0.0)).len(), 1);
        assert_eq!(cells(&shape(f64::INFINITY)).len(), 4);
        assert!(cells(&shape(1000.0)).len() < 9);
    }

    #[test]
    fn a_search_goes_on_beyond_the_date_line() {
        let centre = Place { longitude: 179.9, latitude: 10.0 };
        let shape = Shape { centre, figure: Figure::Circle { radius_m: 50_000.0 } };
        assert!(finds(&shape, Place { longitude: -179.9, latitude: 10.0 }));
    }

    /// What lies within the area is in one of the cells.
    fn check(shape: &Shape, east: f64, north: f64) -> Result<(), TestCaseError> {
        let bounds = shape.bounds();
        prop_assume!(bounds.north < 90.0 && bounds.south > -90.0);
        let place = Place {
            longitude: (shape.centre.longitude + east + 540.0).rem_euclid(360.0) - 180.0,
            latitude: shape.centre.latitude + north,
        };
        prop_assume!(place.is_valid());
        let known = Place::of_score(place.score());
        if shape.reaches(known).is_some() {
            prop_assert!(finds(shape, place), "{place:?}");
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn a_circle_is_covered(
            longitude in -180.0..180.0f64,
            latitude in -LATITUDE_MAX..LATITUDE_MAX,
            size in 0.0..7.0f64,
            angle in 0.0..6.3f64,
            part in 0.0..1.0f64,
        ) {
            let radius_m = 10f64.powf(size);
            let centre = Place { longitude, latitude };
            let shape = Shape { centre, figure: Figure::Circle { radius_m } };
            let bounds = shape.bounds();
            let east = (bounds.east - bounds.west) / 2.0 * part * angle.cos();
            let north = (bounds.north - bounds.south) / 2.0 * part * angle.sin();
            check(&shape, east, north)?;
        }

        #[test]
        fn a_box_is_covered(
            longitude in -180.0..180.0f64,
            latitude in -66.0..66.0f64,
            (width_m, height_m) in (10.0..3e6f64, 10.0..3e6f64),
            (x, y) in (-1.0..1.0f64, -1.0..1.0f64),
        ) {
            let centre = Place { longitude, latitude };
            let shape = Shape { centre, figure: Figure::Rectangle { width_m, height_m } };
            let bounds = shape.bounds();
            let east = (bounds.east - bounds.west) / 2.0 * x;
            let north = (bounds.north - bounds.south) / 2.0 * y;
            check(&shape, east, north)?;
        }

        #[test]
        fn a_polygon_is_covered(
            (longitude, latitude) in (-150.0..150.0f64, -60.0..60.0f64),
            size in 1e-4..20.0f64,
            corners in prop::collection::vec((-1.0..1.0f64, -1.0..1.0f64), 3..8),
            (x, y) in (-1.0..1.0f64, -1.0..1.0f64),
        ) {
            let at = |(x, y): (f64, f64)| Place {
                longitude: longitude + size * x,
                latitude: latitude + size * y,
            };
            let shape = Shape::polygon(corners.into_iter().map(at).collect());
            let place = at((x, y));
            check(&shape, place.longitude - shape.centre.longitude, {
                place.latitude - shape.centre.latitude
            })?;
        }
    }
}
