//! The order of a SORT: by numbers or by text, of the elements or of what a pattern leads to.
//!
//! Text is compared as in the C locale: byte by byte and up to the first zero byte. What is to be
//! stored is compared whole, so that the order does not depend on a locale anywhere. Elements
//! that compare as equal stay in the order in which they were.

use super::pattern::Pattern;
use crate::commands::value::parse_lenient;
use crate::error::Error;
use crate::run::key_access::KeyAccess;
use std::cmp::Ordering;

/// How elements are ordered.
#[derive(Default)]
pub struct Order<'a> {
    /// What leads from an element to what is compared; the element itself without it.
    pub by: Option<Pattern<'a>>,
    /// Leave them as they are.
    pub none: bool,
    /// Compare text, not numbers.
    pub alphabetic: bool,
    /// From the last to the first.
    pub descends: bool,
    /// The result is to be stored.
    pub stores: bool,
}

impl Order<'_> {
    /// The elements in this order.
    ///
    /// # Errors
    /// When something to be compared as a number is none.
    pub fn sort<'e>(
        &self,
        space: &mut KeyAccess<'_>,
        elements: &'e [Box<[u8]>],
    ) -> Result<Vec<&'e [u8]>, Error> {
        let elements = elements.iter().map(|element| &element[..]);
        if self.none {
            return Ok(if self.descends { elements.rev().collect() } else { elements.collect() });
        }
        let whole = self.stores;
        Ok(match (self.alphabetic, &self.by) {
            (false, by) => {
                let score = |element: &'e [u8]| {
                    let score = match by {
                        None => parse_lenient(element),
                        // What is not there weighs nothing.
                        Some(by) => by
                            .with_value(space, element, |value| value.with(parse_lenient))
                            .unwrap_or(Some(0.0)),
                    };
                    score.map(|score| (score, element)).ok_or(Error::NOT_SCORES)
                };
                // All keys are looked up, whichever of them holds no number.
                let scored: Vec<_> = elements.map(score).collect();
                let scored: Result<Vec<_>, Error> = scored.into_iter().collect();
                self.ordered(scored?, |one, other| {
                    let scores = one.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal);
                    scores.then_with(|| one.1.cmp(other.1))
                })
            }
            (true, None) => {
                let pairs = elements.map(|element| ((), element)).collect();
                self.ordered(pairs, |one, other| text(one.1, whole).cmp(text(other.1, whole)))
            }
            (true, Some(by)) => {
                let weighed = elements.map(|element| {
                    (by.with_value(space, element, |value| value.to_vec()), element)
                });
                self.ordered(weighed.collect(), |one, other| match (&one.0, &other.0) {
                    (Some(one), Some(other)) => text(one, whole).cmp(text(other, whole)),
                    (one, other) => one.is_some().cmp(&other.is_some()),
                })
            }
        })
    }

    fn ordered<'e, W>(
        &self,
        mut weighed: Vec<(W, &'e [u8])>,
        compare: impl Fn(&(W, &'e [u8]), &(W, &'e [u8])) -> Ordering,
    ) -> Vec<&'e [u8]> {
        weighed.sort_by(|one, other| match compare(one, other) {
            order if self.descends => order.reverse(),
            order => order,
        });
        weighed.into_iter().map(|(_, element)| element).collect()
    }
}

/// As much of a text as is compared.
pub fn text(text: &[u8], whole: bool) -> &[u8] {
    let end = text.iter().position(|byte| *byte == 0 && !whole);
    &text[..end.unwrap_or(text.len())]
}
