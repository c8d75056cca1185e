//! A pattern's text, compiled to items.

use crate::pace::Pace;
use std::collections::HashMap;

/// Captures at most.
pub const CAPTURES_MAX: usize = 32;
/// A pattern that is longer is refused, in bytes.
const LENGTH_MAX: usize = 16 << 20;
/// Sets between brackets at most.
const SETS_MAX: usize = 1 << 16;
/// A set of bytes.
pub type Set = [bool; 256];

/// The place of a set among those of the pattern.
pub type SetAt = u32;

/// What stands in a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// This byte.
    Byte(u8),
    /// A byte of a set.
    One(SetAt),
    /// As many bytes of a set as there are, and at least so many: `*` and `+`.
    Many(SetAt, u8),
    /// The same, where what follows cannot match with fewer of them than there are.
    All(SetAt, u8),
    /// As few bytes of a set as will do: `-`.
    Few(SetAt),
    /// The same, where this byte has to follow.
    Until(SetAt, u8),
    /// A byte of a set or none: `?`.
    Maybe(SetAt),
    /// A capture begins.
    Open(u8),
    /// A capture of a place.
    Place(u8),
    /// A capture ends.
    Close(u8),
    /// The text of a capture again: `%1`.
    Again(u8),
    /// What stands between two bytes that balance: `%b()`.
    Balanced(u8, u8),
    /// A place before which a set ends and behind which it begins: `%f[set]`.
    Edge(SetAt),
    /// The end of the text: `$`.
    Last,
}

/// A compiled pattern.
pub struct Pattern {
    /// Its items.
    pub items: Vec<Item>,
    /// The sets that they name.
    pub sets: Vec<Set>,
    /// How many captures it has.
    pub captures: usize,
    /// Whether it matches where the text begins only: `^`.
    pub anchored: bool,
    /// The bytes that a match can begin with, where they are few enough to look for.
    pub first: Option<Set>,
    /// The set of all bytes, if it is among them.
    pub any: Option<SetAt>,
}

/// What is wrong with a pattern, or an end of the script.
pub enum Wrong {
    /// The pattern is malformed.
    Malformed(&'static str),
    /// The script has to end.
    Ended(mlua::Error),
}

impl From<mlua::Error> for Wrong {
    fn from(error: mlua::Error) -> Wrong {
        Wrong::Ended(error)
    }
}

const TOO_COMPLEX: Wrong = Wrong::Malformed("pattern too complex");
const NO_BRACKET: Wrong = Wrong::Malformed("malformed pattern (missing ']')");

/// The bytes of a class; a letter that is none stands for itself.
fn class(letter: u8) -> Set {
    let test: fn(&u8) -> bool = match letter | 0x20 {
        b'a' => u8::is_ascii_alphabetic,
        b'c' => u8::is_ascii_control,
        b'd' => u8::is_ascii_digit,
        b'l' => u8::is_ascii_lowercase,
        b'p' => u8::is_ascii_punctuation,
        b's' => |byte| matches!(byte, b'\t'..=b'\r' | b' '),
        b'u' => u8::is_ascii_uppercase,
        b'w' => u8::is_ascii_alphanumeric,
        b'x' => u8::is_ascii_hexdigit,
        b'z' => |byte| *byte == 0,
        _ => return single(letter),
    };
    if !letter.is_ascii_alphabetic() {
        return single(letter);
    }
    std::array::from_fn(|code| test(&(code as u8)) != letter.is_ascii_uppercase())
}

fn single(byte: u8) -> Set {
    let mut set = [false; 256];
    set[usize::from(byte)] = true;
    set
}

/// Reads a pattern.
struct Compiler<'a> {
    text: &'a [u8],
    at: usize,
    pace: &'a Pace,
    items: Vec<Item>,
    sets: Vec<Set>,
    known: HashMap<Vec<u8>, SetAt>,
    captures: usize,
    open: Vec<u8>,
    closed: [bool; CAPTURES_MAX],
}

impl Pattern {
    /// Compiles the text of a pattern. Where `^` is a letter as others are, as in gmatch, it does
    /// not anchor.
    ///
    /// # Errors
    /// When the pattern is malformed, or the script has to end.
    pub fn new(text: &[u8], anchors: bool, pace: &Pace) -> Result<Pattern, Wrong> {
        if text.len() > LENGTH_MAX {
            return Err(TOO_COMPLEX);
        }
        let anchored = anchors && text.first() == Some(&b'^');
        let mut compiler = Compiler {
            text,
            at: usize::from(anchored),
            pace,
            items: Vec::new(),
            sets: Vec::new(),
            known: HashMap::new(),
            captures: 0,
            open: Vec::new(),
            closed: [false; CAPTURES_MAX],
        };
        while compiler.at < text.len() {
            pace.spend(crate::pace::ITEM)?;
            compiler.item()?;
        }
        if !compiler.open.is_empty() {
            return Err(Wrong::Malformed("unfinished capture"));
        }
        let Compiler { mut items, sets, captures, .. } = compiler;
        know_ends(&mut items, &sets, pace)?;
        let first = first_of(&items, &sets);
        let any = sets.iter().position(|set| !set.contains(&false)).map(|at| at as SetAt);
        Ok(Pattern { items, sets, captures, anchored, first, any })
    }

    /// A text that is searched for as it is.
    ///
    /// # Errors
    /// When it is too long.
    pub fn plain(text: &[u8]) -> Result<Pattern, Wrong> {
        if text.len() > LENGTH_MAX {
            return Err(TOO_COMPLEX);
        }
        let items: Vec<_> = text.iter().map(|byte| Item::Byte(*byte)).collect();
        let first = first_of(&items, &[]);
        let (sets, captures, anchored) = (Vec::new(), 0, false);
        Ok(Pattern { items, sets, captures, anchored, first, any: None })
    }

    /// The bytes that it stands for, where it stands for one text only.
    pub fn literal(&self) -> Option<Vec<u8>> {
        let byte = |item: &Item| if let Item::Byte(byte) = item { Some(*byte) } else { None };
        if self.anchored { None } else { self.items.iter().map(byte).collect() }
    }
}

/// Of repetitions makes known where alone they can end.
fn know_ends(items: &mut [Item], sets: &[Set], pace: &Pace) -> mlua::Result<()> {
    for at in 0..items.len() {
        let (item, rest) = (items[at], &items[at + 1..]);
        items[at] = match item {
            Item::Many(set, least) => {
                let bytes = &sets[set as usize];
                pace.spend(bytes.len())?;
                if can_follow(rest, bytes, sets) { item } else { Item::All(set, least) }
            }
            Item::Few(set) => {
                let takes =
                    |item: &&Item| !matches!(item, Item::Open(_) | Item::Place(_) | Item::Close(_));
                match rest.iter().find(takes) {
                    Some(Item::Byte(byte)) => Item::Until(set, *byte),
                    _ => item,
                }
            }
            _ => item,
        };
    }
    Ok(())
}

/// Whether what follows a repetition may match where a byte of its set is. Nothing matches
/// wherever the repetition ends, and so needs no other end.
fn can_follow(rest: &[Item], set: &Set, sets: &[Set]) -> bool {
    for item in rest {
        return match *item {
            Item::Open(_) | Item::Place(_) | Item::Close(_) => continue,
            Item::Byte(byte) | Item::Balanced(byte, _) => set[usize::from(byte)],
            Item::One(other) | Item::Many(other, 1..) | Item::All(other, 1..) => {
                let other = &sets[other as usize];
                (0..256).any(|code| set[code] && other[code])
            }
            Item::Last => false,
            _ => true,
        };
    }
    false
}

/// The bytes that a match can begin with; `None` where it can be empty, or begin with most bytes.
fn first_of(items: &[Item], sets: &[Set]) -> Option<Set> {
    for item in items {
        return match *item {
            Item::Open(_) | Item::Place(_) => continue,
            Item::Byte(byte) | Item::Balanced(byte, _) => Some(single(byte)),
            Item::One(set) | Item::Many(set, 1..) | Item::All(set, 1..) => Some(sets[set as usize]),
            _ => None,
        };
    }
    None
}

impl Compiler<'_> {
    fn peek(&self, offset: usize) -> Option<u8> {
        self.text.get(self.at + offset).copied()
    }

    /// The place of a set that is written so.
    fn place(&mut self, from: usize, set: impl FnOnce() -> Set) -> SetAt {
        let written = &self.text[from..self.at];
        if let Some(known) = self.known.get(written) {
            return *known;
        }
        let place = self.sets.len() as SetAt;
        self.sets.push(set());
        self.known.insert(written.to_vec(), place);
        place
    }

    /// Reads the next item.
    fn item(&mut self) -> Result<(), Wrong> {
        let letter = self.text[self.at];
        match (letter, self.peek(1)) {
            (b'(', behind) => self.open(behind == Some(b')'))?,
            (b')', _) => {
                let capture = self.open.pop().ok_or(Wrong::Malformed("invalid pattern capture"))?;
                self.closed[usize::from(capture)] = true;
                self.items.push(Item::Close(capture));
                self.at += 1;
            }
            (b'$', None) => {
                self.items.push(Item::Last);
                self.at += 1;
            }
            (b'%', Some(b'b')) => {
                let (Some(from), Some(to)) = (self.peek(2), self.peek(3)) else {
                    return Err(Wrong::Malformed("unbalanced pattern"));
                };
                self.items.push(Item::Balanced(from, to));
                self.at += 4;
            }
            (b'%', Some(b'f')) => {
                self.at += 2;
                if self.peek(0) != Some(b'[') {
                    return Err(Wrong::Malformed("missing '[' after '%f' in pattern"));
                }
                let set = self.bracketed()?;
                self.items.push(Item::Edge(set));
            }
            (b'%', Some(digit @ b'0'..=b'9')) => {
                let capture = usize::from(digit).wrapping_sub(usize::from(b'1'));
                if !self.closed.get(capture).is_some_and(|closed| *closed) {
                    return Err(Wrong::Malformed("invalid capture index"));
                }
                self.items.push(Item::Again(capture as u8));
                self.at += 2;
            }
            _ => self.single(letter)?,
        }
        Ok(())
    }

    fn open(&mut self, is_place: bool) -> Result<(), Wrong> {
        if self.captures == CAPTURES_MAX {
            return Err(Wrong::Malformed("too many captures"));
        }
        let capture = self.captures as u8;
        self.captures += 1;
        if is_place {
            self.closed[usize::from(capture)] = true;
            self.items.push(Item::Place(capture));
            self.at += 2;
        } else {
            self.open.push(capture);
            self.items.push(Item::Open(capture));
            self.at += 1;
        }
        Ok(())
    }

    /// One byte of a set, or a repetition of such.
    fn single(&mut self, letter: u8) -> Result<(), Wrong> {
        let from = self.at;
        let (byte, set) = match letter {
            b'[' => (None, self.bracketed()?),
            b'%' => {
                let letter =
                    self.peek(1).ok_or(Wrong::Malformed("malformed pattern (ends with '%')"))?;
                self.at += 2;
                let byte = (!letter.is_ascii_alphabetic()).then_some(letter);
                (byte, self.place(from, || class(letter)))
            }
            b'.' => {
                self.at += 1;
                (None, self.place(from, || [true; 256]))
            }
            _ => {
                self.at += 1;
                (Some(letter), self.place(from, || single(letter)))
            }
        };
        let item = match self.peek(0) {
            Some(b'*') => Item::Many(set, 0),
            Some(b'+') => Item::Many(set, 1),
            Some(b'-') => Item::Few(set),
            Some(b'?') => Item::Maybe(set),
            _ => {
                self.items.push(byte.map_or(Item::One(set), Item::Byte));
                return Ok(());
            }
        };
        self.items.push(item);
        self.at += 1;
        Ok(())
    }

    /// The set between brackets, the first of which is here.
    fn bracketed(&mut self) -> Result<SetAt, Wrong> {
        let from = self.at;
        let mut set = [false; 256];
        let mut is_first = true;
        self.at += 1;
        let inverted = self.peek(0) == Some(b'^');
        self.at += usize::from(inverted);
        loop {
            self.pace.spend(1)?;
            let letter = self.peek(0).ok_or(NO_BRACKET)?;
            if letter == b']' && !is_first {
                break;
            }
            is_first = false;
            match (letter, self.peek(1), self.peek(2)) {
                (b'%', behind, _) => {
                    let behind = behind.ok_or(NO_BRACKET)?;
                    let class = class(behind);
                    for code in 0..256 {
                        set[code] |= class[code];
                    }
                    self.at += 2;
                }
                (_, Some(b'-'), Some(last)) if last != b']' => {
                    (letter..=last).for_each(|byte| set[usize::from(byte)] = true);
                    self.at += 3;
                }
                _ => {
                    set[usize::from(letter)] = true;
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        if inverted {
            set.iter_mut().for_each(|is_in| *is_in = !*is_in);
        }
        if self.sets.len() > SETS_MAX {
            return Err(TOO_COMPLEX);
        }
        Ok(self.place(from, || set))
    }
}
