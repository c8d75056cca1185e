//! A walk of a pattern's items along a text. Where more than one way is left, the other one waits
//! on a stack: what is matched costs no stack of the worker's thread.

use super::items::{CAPTURES_MAX, Item, Pattern, SetAt};
use super::known::Compiled;
use crate::pace::Pace;
use memchr::memchr;
use memchr::memmem::Finder;

/// Steps after which their number is told to the pace.
const STEPS: u32 = 1 << 13;
/// What a step counts for, in bytes that are looked at.
const STEP: usize = 8;
/// A text is searched for another one in pieces of so many bytes.
const WINDOW: usize = 1 << 18;
/// A text is searched for by its first byte until that was found so often in vain.
const FIRST_MAX: usize = 4;
/// Where a capture of a place ends.
pub const PLACE: u32 = u32::MAX;

/// Where a capture begins and ends.
#[derive(Clone, Copy, Default)]
pub struct Capture {
    /// The offset of its first byte.
    pub start: u32,
    /// The offset behind its last byte, or [`PLACE`].
    pub end: u32,
}

/// A way that is left to try, from an item and an offset on.
#[derive(Clone, Copy)]
enum Left {
    /// A repetition that took the bytes up to here can do with fewer, but not fewer than to
    /// `least`.
    Less { item: usize, at: usize, least: usize },
    /// A repetition can take the byte here, too.
    More { item: usize, set: SetAt, at: usize },
    /// The same, up to this byte.
    Until { item: usize, set: SetAt, byte: u8, at: usize },
    /// An item can be left out.
    Without { item: usize, at: usize },
    /// No way: a capture was another one before.
    Undo { capture: usize, was: Capture },
}

/// What a match works in. One is as good as another.
#[derive(Default)]
pub struct Room {
    left: Vec<Left>,
    /// The captures of the last match.
    pub captures: [Capture; CAPTURES_MAX],
}

/// Matches one pattern with one text.
pub struct Matcher<'a> {
    pattern: &'a Pattern,
    text: &'a [u8],
    pace: &'a Pace,
    literal: Option<&'a Finder<'static>>,
    room: &'a mut Room,
    steps: u32,
}

impl<'a> Matcher<'a> {
    /// A matcher of a text with a pattern.
    #[inline]
    pub fn new(
        compiled: &'a Compiled,
        text: &'a [u8],
        pace: &'a Pace,
        room: &'a mut Room,
    ) -> Matcher<'a> {
        let Compiled { pattern, literal } = compiled;
        Matcher { pattern, text, pace, literal: literal.as_ref(), room, steps: 0 }
    }

    /// The first match at or behind an offset: where it begins and ends.
    ///
    /// # Errors
    /// When the script has to end.
    pub fn seek(&mut self, mut at: usize) -> mlua::Result<Option<(usize, usize)>> {
        if at > self.text.len() {
            return Ok(None);
        }
        if self.literal.is_some() {
            return self.seek_literal(at);
        }
        if self.pattern.anchored {
            return Ok(self.run(at)?.map(|end| (at, end)));
        }
        while at <= self.text.len() {
            if let Some(first) = &self.pattern.first {
                let is_first = |byte: &u8| first[usize::from(*byte)];
                let end = self.text.len().min(at + WINDOW);
                let window = &self.text[at..end];
                let Some(skipped) = window.iter().position(is_first) else {
                    self.pace.spend(window.len().max(1))?;
                    if end == self.text.len() {
                        return Ok(None);
                    }
                    at = end;
                    continue;
                };
                self.pace.spend(skipped)?;
                at += skipped;
            }
            if let Some(end) = self.run(at)? {
                return Ok(Some((at, end)));
            }
            at += 1;
        }
        Ok(None)
    }

    fn seek_literal(&mut self, mut at: usize) -> mlua::Result<Option<(usize, usize)>> {
        let Some(finder) = self.literal else { return Ok(None) };
        let needle = finder.needle();
        let len = needle.len();
        // Where it is near, or its first byte is rare, looking for that is quicker.
        let mut by_first = if len == 1 { usize::MAX } else { FIRST_MAX };
        while at + len <= self.text.len() {
            let end = self.text.len().min(at + len + WINDOW);
            let window = &self.text[at..end];
            let found = match needle.first() {
                Some(first) if by_first > 0 => memchr(*first, window),
                _ => finder.find(window),
            };
            self.pace.spend(found.unwrap_or(window.len()) / crate::pace::COPIED + 1)?;
            match found {
                Some(found) if by_first == 0 || window[found..].starts_with(needle) => {
                    return Ok(Some((at + found, at + found + len)));
                }
                Some(found) => {
                    by_first -= 1;
                    at += found + 1;
                }
                None if end == self.text.len() => break,
                // A match that begins before this ends would have been found.
                None => at = end + 1 - len.max(1),
            }
        }
        Ok(None)
    }

    /// Whether a byte of a set stands at an offset.
    fn is_in(&self, set: SetAt, at: usize) -> bool {
        let set = &self.pattern.sets[set as usize];
        self.text.get(at).is_some_and(|byte| set[usize::from(*byte)])
    }

    /// Where a row of bytes of a set ends that begins at an offset.
    fn scan(&self, set: SetAt, mut at: usize) -> mlua::Result<usize> {
        if Some(set) == self.pattern.any {
            return Ok(self.text.len());
        }
        let set = &self.pattern.sets[set as usize];
        loop {
            let end = self.text.len().min(at + WINDOW);
            let window = &self.text[at..end];
            let row = window.iter().position(|byte| !set[usize::from(*byte)]);
            let row = row.unwrap_or(window.len());
            self.pace.spend(row)?;
            at += row;
            if row < window.len() || at == self.text.len() {
                return Ok(at);
            }
        }
    }

    /// Where a byte stands, at or behind an offset, up to which all are of a set.
    fn find_within(&self, set: SetAt, byte: u8, mut at: usize) -> mlua::Result<Option<usize>> {
        let is_any = Some(set) == self.pattern.any;
        let set = &self.pattern.sets[set as usize];
        while at < self.text.len() {
            let end = self.text.len().min(at + WINDOW);
            let window = &self.text[at..end];
            let stops = |other: &u8| *other == byte || !set[usize::from(*other)];
            let found = if is_any { memchr(byte, window) } else { window.iter().position(stops) };
            self.pace.spend(found.unwrap_or(window.len()))?;
            match found {
                Some(found) => return Ok((window[found] == byte).then_some(at + found)),
                None => at = end,
            }
        }
        Ok(None)
    }

    /// Where what begins at an offset with one byte, and balances with another, ends.
    fn balanced(&self, from: u8, to: u8, at: usize) -> mlua::Result<Option<usize>> {
        if self.text.get(at) != Some(&from) {
            return Ok(None);
        }
        let mut depth = 1u32;
        let mut done = at + 1;
        for window in self.text[done..].chunks(WINDOW) {
            for (offset, byte) in window.iter().enumerate() {
                if *byte == to {
                    depth -= 1;
                    if depth == 0 {
                        self.pace.spend(offset)?;
                        return Ok(Some(done + offset + 1));
                    }
                } else if *byte == from {
                    depth += 1;
                }
            }
            self.pace.spend(window.len())?;
            done += window.len();
        }
        Ok(None)
    }

    /// Changes a capture, and remembers what it was.
    fn capture(&mut self, capture: u8, change: impl FnOnce(&mut Capture)) {
        let capture = usize::from(capture);
        let Room { left, captures } = &mut *self.room;
        // Where no other way is left, nobody will ask for what it was.
        if !left.is_empty() {
            left.push(Left::Undo { capture, was: captures[capture] });
        }
        change(&mut captures[capture]);
    }

    /// Whether the text of a capture stands at an offset: where it ends then.
    fn again(&self, capture: u8, at: usize) -> mlua::Result<Option<usize>> {
        let Capture { start, end } = self.room.captures[usize::from(capture)];
        // A capture of a place is no text.
        let Some(wanted) = self.text.get(start as usize..end as usize) else { return Ok(None) };
        self.pace.spend(wanted.len() / crate::pace::COPIED)?;
        Ok(self.text[at..].starts_with(wanted).then_some(at + wanted.len()))
    }

    /// Whether the pattern matches what begins at an offset: where the match ends.
    fn run(&mut self, start: usize) -> mlua::Result<Option<usize>> {
        self.room.left.clear();
        let (mut at, mut place) = (start, 0);
        loop {
            self.count_step()?;
            let Some(item) = self.pattern.items.get(place) else { return Ok(Some(at)) };
            match self.step(*item, place, at)? {
                Some(behind) => (at, place) = (behind, place + 1),
                None => match self.other_way()? {
                    Some(other) => (place, at) = other,
                    None => return Ok(None),
                },
            }
        }
    }

    #[inline]
    fn count_step(&mut self) -> mlua::Result<()> {
        self.steps += 1;
        if self.steps < STEPS {
            return Ok(());
        }
        self.steps = 0;
        self.pace.spend(STEPS as usize * STEP)
    }

    /// Matches one item at an offset: where it ends.
    #[inline]
    fn step(&mut self, item: Item, place: usize, at: usize) -> mlua::Result<Option<usize>> {
        let next = |is: bool| is.then_some(at + 1);
        Ok(match item {
            Item::Byte(byte) => next(self.text.get(at) == Some(&byte)),
            Item::One(set) => next(self.is_in(set, at)),
            Item::Many(set, least) => {
                let (end, least) = (self.scan(set, at)?, at + usize::from(least));
                if end > least {
                    self.room.left.push(Left::Less { item: place + 1, at: end, least });
                }
                (end >= least).then_some(end)
            }
            Item::All(set, least) => {
                let end = self.scan(set, at)?;
                (end >= at + usize::from(least)).then_some(end)
            }
            Item::Few(set) => {
                self.room.left.push(Left::More { item: place + 1, set, at });
                Some(at)
            }
            Item::Until(set, byte) => {
                let end = self.find_within(set, byte, at)?;
                if let Some(at) = end {
                    self.room.left.push(Left::Until { item: place + 1, set, byte, at });
                }
                end
            }
            Item::Maybe(set) => {
                let is_in = self.is_in(set, at);
                if is_in {
                    self.room.left.push(Left::Without { item: place + 1, at });
                }
                Some(at + usize::from(is_in))
            }
            Item::Open(n) | Item::Place(n) => {
                self.capture(n, |it| *it = Capture { start: at as u32, end: PLACE });
                Some(at)
            }
            Item::Close(n) => {
                self.capture(n, |it| it.end = at as u32);
                Some(at)
            }
            Item::Again(n) => self.again(n, at)?,
            Item::Balanced(from, to) => self.balanced(from, to, at)?,
            Item::Edge(set) => {
                let set = &self.pattern.sets[set as usize];
                let before = if at > 0 { self.text[at - 1] } else { 0 };
                let behind = self.text.get(at).copied().unwrap_or(0);
                (!set[usize::from(before)] && set[usize::from(behind)]).then_some(at)
            }
            Item::Last => (at == self.text.len()).then_some(at),
        })
    }

    /// The last way that is left: an item and an offset.
    #[inline]
    fn other_way(&mut self) -> mlua::Result<Option<(usize, usize)>> {
        while let Some(left) = self.room.left.pop() {
            self.count_step()?;
            match left {
                Left::Less { item, at, least } => {
                    let at = at - 1;
                    if at > least {
                        self.room.left.push(Left::Less { item, at, least });
                    }
                    return Ok(Some((item, at)));
                }
                Left::More { item, set, at } if self.is_in(set, at) => {
                    self.room.left.push(Left::More { item, set, at: at + 1 });
                    return Ok(Some((item, at + 1)));
                }
                Left::More { .. } => {}
                Left::Until { item, set, byte, at } => {
                    if self.is_in(set, at)
                        && let Some(at) = self.find_within(set, byte, at + 1)?
                    {
                        self.room.left.push(Left::Until { item, set, byte, at });
                        return Ok(Some((item, at)));
                    }
                }
                Left::Without { item, at } => return Ok(Some((item, at))),
                Left::Undo { capture, was } => self.room.captures[capture] = was,
            }
        }
        Ok(None)
    }
}
