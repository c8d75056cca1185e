//! What a search looks in: a circle, a box or a polygon on the globe.

use super::cell::Place;
use super::globe::{RADIUS_M, between_latitudes, degrees, distance, radians};

/// An area around its centre.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The place from which distances count.
    pub centre: Place,
    /// What it is.
    pub figure: Figure,
}

/// The figures, with lengths in metres.
#[derive(Clone, Debug)]
pub enum Figure {
    /// All places up to a distance.
    Circle {
        /// The distance.
        radius_m: f64,
    },
    /// Half of its sides lie on each side of the centre.
    Rectangle {
        /// From west to east.
        width_m: f64,
        /// From south to north.
        height_m: f64,
    },
    /// What lies inside a line, straight on the map, through these places and back to the first.
    Polygon(Vec<Place>),
}

/// The sides of an area on the map, in degrees. They may lie beyond the map's edges.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The western side.
    pub west: f64,
    /// The southern side.
    pub south: f64,
    /// The eastern side.
    pub east: f64,
    /// The northern side.
    pub north: f64,
}

impl Shape {
    /// The polygon with these corners. Its centre is the middle of them on the sphere: where the
    /// sum of their directions points to.
    pub fn polygon(corners: Vec<Place>) -> Shape {
        let [x, y, z] = corners.iter().fold([0.0; 3], |[x, y, z], corner| {
            let (east, north) = (radians(corner.longitude), radians(corner.latitude));
            [x + north.cos() * east.cos(), y + north.cos() * east.sin(), z + north.sin()]
        });
        let centre = Place {
            longitude: degrees(y.atan2(x)),
            latitude: degrees(z.atan2((x * x + y * y).sqrt())),
        };
        Shape { centre, figure: Figure::Polygon(corners) }
    }

    /// The distance of a place in the area from the centre, in metres; None if it lies outside.
    pub fn reaches(&self, place: Place) -> Option<f64> {
        let Shape { centre, figure } = self;
        let is_inside = match figure {
            Figure::Circle { radius_m } => {
                let length = distance(*centre, place);
                return (length <= *radius_m).then_some(length);
            }
            Figure::Rectangle { width_m, height_m } => {
                let level = Place { longitude: centre.longitude, latitude: place.latitude };
                between_latitudes(place.latitude, centre.latitude) <= height_m / 2.0
                    && distance(place, level) <= width_m / 2.0
            }
            Figure::Polygon(corners) => surrounds(corners, place),
        };
        is_inside.then(|| distance(*centre, place))
    }

    /// A distance from the centre within which all of the area lies, about, in metres.
    pub fn extent_m(&self) -> f64 {
        match &self.figure {
            Figure::Circle { radius_m } => *radius_m,
            Figure::Rectangle { width_m, height_m } => {
                let (x, y) = (width_m / 2.0, height_m / 2.0);
                (x * x + y * y).sqrt()
            }
            Figure::Polygon(corners) => {
                corners.iter().map(|corner| distance(self.centre, *corner)).fold(0.0, f64::max)
            }
        }
    }

    /// The sides of the area. A parallel is shorter towards the pole, so the side towards it says
    /// how far the area reaches in longitude.
    pub fn bounds(&self) -> Bounds {
        let (x, y) = match &self.figure {
            Figure::Circle { radius_m } => (*radius_m, *radius_m),
            Figure::Rectangle { width_m, height_m } => (width_m / 2.0, height_m / 2.0),
            Figure::Polygon(corners) => return bounds_of(corners),
        };
        let Place { longitude, latitude } = self.centre;
        let up = degrees(y / RADIUS_M);
        let (south, north) = (latitude - up, latitude + up);
        let poleward = if latitude < 0.0 { south } else { north };
        let aside = degrees(x / RADIUS_M / radians(poleward).cos());
        Bounds { west: longitude - aside, south, east: longitude + aside, north }
    }
}

fn bounds_of(corners: &[Place]) -> Bounds {
    const NOTHING: Bounds = Bounds {
        west: f64::INFINITY,
        south: f64::INFINITY,
        east: f64::NEG_INFINITY,
        north: f64::NEG_INFINITY,
    };
    corners.iter().fold(NOTHING, |bounds, corner| Bounds {
        west: bounds.west.min(corner.longitude),
        south: bounds.south.min(corner.latitude),
        east: bounds.east.max(corner.longitude),
        north: bounds.north.max(corner.latitude),
    })
}

/// Whether a line to the east crosses the polygon's sides an odd number of times.
fn surrounds(corners: &[Place], place: Place) -> bool {
    let last = corners.last().into_iter();
    let sides = last.chain(corners).zip(corners);
    let crossed = sides.filter(|(from, to)| {
        (from.latitude > place.latitude) != (to.latitude > place.latitude) && {
            let slope = (from.longitude - to.longitude) / (from.latitude - to.latitude);
            place.longitude < slope * (place.latitude - to.latitude) + to.longitude
        }
    });
    crossed.count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(longitude: f64, latitude: f64) -> Place {
        Place { longitude, latitude }
    }

    #[test]
    fn a_polygon_may_have_a_bay() {
        let corners = vec![at(0.0, 0.0), at(4.0, 0.0), at(4.0, 4.0), at(2.0, 1.0), at(0.0, 4.0)];
        let shape = Shape::polygon(corners);
        assert!(distance(shape.centre, at(2.0, 1.8)) < 100.0, "{:?}", shape.centre);
        assert!(shape.reaches(at(2.0, 0.5)).is_some());
        assert!(shape.reaches(at(2.0, 1.5)).is_none());
        assert!(shape.reaches(at(0.5, 3.0)).is_some() && shape.reaches(at(3.5, 3.0)).is_some());
        assert!(shape.reaches(at(-1.0, 1.0)).is_none() && shape.reaches(at(5.0, 1.0)).is_none());
    }

    #[test]
    fn a_box_is_measured_along_the_parallel_of_the_place() {
        let figure = Figure::Rectangle { width_m: 400_000.0, height_m: 400_000.0 };
        let shape = Shape { centre: at(15.0, 37.0), figure };
        assert!(shape.reaches(at(17.24151, 38.788135)).is_some());
        assert!(shape.reaches(at(17.35, 38.788135)).is_none());
        assert!(shape.reaches(at(15.0, 38.82)).is_none());
    }
}
