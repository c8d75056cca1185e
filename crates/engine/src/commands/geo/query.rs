//! What a search looks for and how it replies: its options, in the words of GEOSEARCH and of the
//! older commands.

use super::cell::Place;
use super::globe::parse_unit;
use super::shape::{Figure, Shape};
use crate::error::Error;
use crate::hasher::Hasher;
use crate::storage::value::sorted_set::SortedSet;
use redstart_protocol::{Args, parse_f64, parse_i64};

/// What a command's name settles of its search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// GEOSEARCH: centre and shape are options.
    Search,
    /// GEOSEARCHSTORE, behind the key to store at.
    SearchStore,
    /// GEORADIUS and GEORADIUS_RO: a circle, whose centre's degrees come first.
    Radius,
    /// GEORADIUSBYMEMBER and its read-only form: a circle around a member.
    RadiusByMember,
}

impl Form {
    /// Where the options begin.
    pub fn options_at(self) -> usize {
        match self {
            Form::Search => 2,
            Form::SearchStore => 3,
            Form::Radius => 6,
            Form::RadiusByMember => 5,
        }
    }
}

/// What is stored as the scores of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The members' cells: the result can be searched again.
    Cells,
    /// Their distances from the centre, in the unit of the search.
    Distances,
}

/// A search.
#[derive(Debug, Default)]
pub struct Query {
    centre: Centre,
    figure: Option<Figure>,
    /// The unit of distances, in metres.
    pub unit_m: f64,
    /// Distances are replied.
    pub with_distance: bool,
    /// Cells are replied.
    pub with_cell: bool,
    /// Longitudes and latitudes are replied.
    pub with_place: bool,
    descends: Option<bool>,
    /// At most so many members.
    pub count: Option<usize>,
    /// The first ones that are found will do.
    pub any: bool,
    /// What is stored, if anything is.
    pub stored: Option<Stored>,
}

/// What lies in the middle of the area.
#[derive(Clone, Copy, Debug, Default)]
enum Centre {
    /// Not said: only a polygon does without.
    #[default]
    Unsaid,
    /// A place.
    At(Place),
    /// A member. Where there is no set it has no place.
    Member(Option<Place>),
}

/// The place whose longitude is argument `at`, and whose latitude follows it.
pub fn place_at(args: Args<'_>, at: usize) -> Result<Place, Error> {
    let degree = |at| parse_f64(args.at(at)).ok_or(Error::NOT_FLOAT);
    let place = Place { longitude: degree(at)?, latitude: degree(at + 1)? };
    match place.is_valid() {
        true => Ok(place),
        false => Err(Error::off_the_map(place.longitude, place.latitude)),
    }
}

/// Argument `at` as a length, which `error` says is none.
fn length(args: Args<'_>, at: usize, error: Error) -> Result<f64, Error> {
    parse_f64(args.at(at)).ok_or(error)
}

fn is(args: Args<'_>, at: usize, word: &str) -> bool {
    args.at(at).eq_ignore_ascii_case(word.as_bytes())
}

/// What the option at an argument stores under the key behind it.
fn stored_by(args: Args<'_>, at: usize) -> Option<Stored> {
    if at + 1 >= args.len() {
        None
    } else if is(args, at, "STORE") {
        Some(Stored::Cells)
    } else if is(args, at, "STOREDIST") {
        Some(Stored::Distances)
    } else {
        None
    }
}

/// Where the key is that an older command, whose options begin at `first`, is told to store at: the
/// last one counts.
pub fn stored_at(args: Args<'_>, first: usize) -> Option<(usize, Stored)> {
    let (mut at, mut found) = (first, None);
    while at < args.len() {
        let stored = stored_by(args, at);
        found = stored.map(|stored| (at + 1, stored)).or(found);
        at += if stored.is_some() || is(args, at, "COUNT") { 2 } else { 1 };
    }
    found
}

/// Where members of a set are, if there is one.
#[derive(Clone, Copy)]
pub struct Members<'a> {
    /// The set.
    pub set: Option<&'a SortedSet>,
    /// The keyspace's hasher.
    pub hasher: &'a Hasher,
}

impl Members<'_> {
    fn centre(self, member: &[u8]) -> Result<Centre, Error> {
        let Some(set) = self.set else { return Ok(Centre::Member(None)) };
        let score = set.score(member, self.hasher).ok_or(Error::NO_PLACE)?;
        Ok(Centre::Member(Some(Place::of_score(score))))
    }
}

impl Query {
    /// Reads a search; `may_store` is that STORE and STOREDIST are options of an older command.
    pub fn parse(
        args: Args<'_>,
        form: Form,
        may_store: bool,
        members: Members<'_>,
    ) -> Result<Query, Error> {
        let mut query = Query { unit_m: 1.0, ..Query::default() };
        match form {
            Form::Search => {}
            Form::SearchStore => query.stored = Some(Stored::Cells),
            Form::Radius => {
                query.centre = Centre::At(place_at(args, 2)?);
                query.circle(args, 4)?;
            }
            // Without a set the radius may be anything.
            Form::RadiusByMember if members.set.is_none() => {}
            Form::RadiusByMember => {
                query.centre = members.centre(args.at(2))?;
                query.circle(args, 3)?;
            }
        }
        let mut at = form.options_at();
        while at < args.len() {
            let words = match query.reply_option(args, at)? {
                0 if may_store => query.store_option(args, at),
                0 => query.area_option(args, at, form, members)?,
                words => words,
            };
            if words == 0 {
                return Err(Error::SYNTAX);
            }
            at += words;
        }
        query.check(args, form)?;
        Ok(query)
    }

    /// An option about the reply. Returns how many words it has, zero if it is none.
    fn reply_option(&mut self, args: Args<'_>, at: usize) -> Result<usize, Error> {
        if is(args, at, "WITHDIST") {
            self.with_distance = true;
        } else if is(args, at, "WITHHASH") {
            self.with_cell = true;
        } else if is(args, at, "WITHCOORD") {
            self.with_place = true;
        } else if is(args, at, "ANY") {
            self.any = true;
        } else if is(args, at, "ASC") {
            self.descends = Some(false);
        } else if is(args, at, "DESC") {
            self.descends = Some(true);
        } else if is(args, at, "COUNT") && at + 1 < args.len() {
            let count = parse_i64(args.at(at + 1)).ok_or(Error::NOT_INTEGER)?;
            let count = usize::try_from(count).ok().filter(|count| *count > 0);
            self.count = Some(count.ok_or(Error::GEO_COUNT)?);
            return Ok(2);
        } else {
            return Ok(0);
        }
        Ok(1)
    }

    /// STORE and STOREDIST, each with a key.
    fn store_option(&mut self, args: Args<'_>, at: usize) -> usize {
        let stored = stored_by(args, at);
        self.stored = stored.or(self.stored);
        if stored.is_some() { 2 } else { 0 }
    }

    /// An option of GEOSEARCH and GEOSEARCHSTORE. Returns how many words it has.
    fn area_option(
        &mut self,
        args: Args<'_>,
        at: usize,
        form: Form,
        members: Members<'_>,
    ) -> Result<usize, Error> {
        if form == Form::SearchStore && is(args, at, "STOREDIST") {
            self.stored = Some(Stored::Distances);
            return Ok(1);
        }
        if !matches!(form, Form::Search | Form::SearchStore) {
            return Ok(0);
        }
        let behind = args.len() - at - 1;
        let (centre, figure) = (self.centre, &self.figure);
        let is_polygon = matches!(figure, Some(Figure::Polygon(_)));
        if is(args, at, "BYPOLYGON") {
            let is_free = matches!(centre, Centre::Unsaid) && (figure.is_none() || is_polygon);
            return if is_free && behind >= 1 { self.polygon(args, at + 1) } else { Ok(0) };
        }
        if is_polygon {
            return Ok(0);
        }
        if is(args, at, "FROMMEMBER") && behind >= 1 && !matches!(centre, Centre::At(_)) {
            self.centre = members.centre(args.at(at + 1))?;
            Ok(2)
        } else if is(args, at, "FROMLONLAT") && behind >= 2 && !matches!(centre, Centre::Member(_))
        {
            self.centre = Centre::At(place_at(args, at + 1)?);
            Ok(3)
        } else if is(args, at, "BYRADIUS")
            && behind >= 2
            && !matches!(figure, Some(Figure::Rectangle { .. }))
        {
            self.circle(args, at + 1)?;
            Ok(3)
        } else if is(args, at, "BYBOX")
            && behind >= 3
            && !matches!(figure, Some(Figure::Circle { .. }))
        {
            self.rectangle(args, at + 1)?;
            Ok(4)
        } else {
            Ok(0)
        }
    }

    /// Reads `radius unit`.
    fn circle(&mut self, args: Args<'_>, at: usize) -> Result<(), Error> {
        let radius = length(args, at, Error::NO_RADIUS)?;
        if radius < 0.0 {
            return Err(Error::NEGATIVE_RADIUS);
        }
        self.unit_m = parse_unit(args.at(at + 1))?;
        self.figure = Some(Figure::Circle { radius_m: radius * self.unit_m });
        Ok(())
    }

    /// Reads `width height unit`.
    fn rectangle(&mut self, args: Args<'_>, at: usize) -> Result<(), Error> {
        let width = length(args, at, Error::NO_WIDTH)?;
        let height = length(args, at + 1, Error::NO_HEIGHT)?;
        if width < 0.0 || height < 0.0 {
            return Err(Error::NEGATIVE_SIDE);
        }
        self.unit_m = parse_unit(args.at(at + 2))?;
        let (width_m, height_m) = (width * self.unit_m, height * self.unit_m);
        self.figure = Some(Figure::Rectangle { width_m, height_m });
        Ok(())
    }

    /// Reads `count longitude latitude ...`. Returns the words of the option.
    fn polygon(&mut self, args: Args<'_>, at: usize) -> Result<usize, Error> {
        let count = parse_i64(args.at(at)).and_then(|count| i32::try_from(count).ok());
        let count = count.ok_or(Error::CORNER_COUNT)?;
        let room = (args.len() - at - 1) / 2;
        let count = usize::try_from(count).ok().filter(|count| (3..=room).contains(count));
        let count = count.ok_or(Error::THREE_CORNERS)?;
        let corners = (0..count).map(|n| place_at(args, at + 1 + 2 * n));
        self.figure = Some(Figure::Polygon(corners.collect::<Result<_, Error>>()?));
        Ok(2 + 2 * count)
    }

    /// What does not go together, or is missing.
    fn check(&self, args: Args<'_>, form: Form) -> Result<(), Error> {
        if self.stored.is_some() && (self.with_distance || self.with_cell || self.with_place) {
            return Err(match form {
                Form::SearchStore => Error::SEARCHSTORE_WITH,
                _ => Error::RADIUS_STORE_WITH,
            });
        }
        if matches!(form, Form::Search | Form::SearchStore) {
            let one_of = |names: &str| {
                let before = format!("ERR exactly one of {names} can be specified for ");
                Err(Error::quoting(&before, args.at(0), ""))
            };
            let is_polygon = matches!(self.figure, Some(Figure::Polygon(_)));
            if matches!(self.centre, Centre::Unsaid) && !is_polygon {
                return one_of("FROMMEMBER or FROMLONLAT");
            }
            if self.figure.is_none() {
                return one_of("BYRADIUS and BYBOX");
            }
        }
        if self.any && self.count.is_none() {
            return Err(Error::ANY_WITHOUT_COUNT);
        }
        Ok(())
    }

    /// Where to search; None if that is around a member of a set that is not there.
    pub fn shape(&self) -> Option<Shape> {
        let figure = self.figure.clone()?;
        match self.centre {
            Centre::Unsaid => match figure {
                Figure::Polygon(corners) => Some(Shape::polygon(corners)),
                _ => None,
            },
            Centre::At(centre) | Centre::Member(Some(centre)) => Some(Shape { centre, figure }),
            Centre::Member(None) => None,
        }
    }

    /// Whether the result is sorted, and descends then. One of which only so many are wanted is,
    /// since these are to be the nearest.
    pub fn order(&self) -> Option<bool> {
        self.descends.or((self.count.is_some() && !self.any).then_some(false))
    }
}
