//! A hash: fields with values, of which some may expire.
//!
//! While it is small it is packed: one allocation, searched from its beginning. A hash with many
//! fields, or a long one, is a table like the keyspace's own, and a field is an entry in it. So a
//! large hash grows by one segment at a time however large it is, its scan survives every split,
//! a value of the same size is overwritten in place, a long one is sent by reference, and the
//! index that expires keys expires fields.
//!
//! ```text
//!  Packed -- a field expires --> Timed -- too many, or too long --> Large
//!     +------------------------ too many, or too long ---------------^
//! ```
//!
//! There is no way back: a hash that has grown is likely to grow again.
//!
//! Fields do not expire by themselves. [`Hash::expire`] removes those that are due, and the way to
//! a hash through the keyspace does that first; here a field is there until it is removed.
//!
//! The large form has no hasher of its own: every call passes the keyspace's, always the same.

pub mod large;

use super::packed::{Packed, Pair};
use crate::hasher::Hasher;
use crate::storage::entry::{NewValue, Value};
use large::Large;

/// A hash.
#[derive(Clone)]
pub struct Hash(Form);

#[derive(Clone)]
enum Form {
    Packed(Packed),
    /// Packed, and a field has had a deadline.
    Timed(Box<Timed>),
    Large(Box<Large>),
}

#[derive(Clone)]
struct Timed {
    packed: Packed,
    /// The earliest deadline of all fields, zero when there is none.
    next_ms: u64,
}

/// Up to what a hash stays packed, and the hasher of the large form.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// The most fields.
    pub fields: usize,
    /// The longest field or value, in bytes.
    pub bytes: usize,
    /// The keyspace's hasher.
    pub hasher: &'a Hasher,
}

/// What becomes of a field's deadline when its value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// It goes.
    Clear,
    /// It stays.
    Keep,
}

impl Default for Hash {
    fn default() -> Hash {
        Hash(Form::Packed(Packed::default()))
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a {} of {} fields", self.encoding(), self.len())
    }
}

impl Hash {
    fn packed(&self) -> Result<&Packed, &Large> {
        match &self.0 {
            Form::Packed(packed) => Ok(packed),
            Form::Timed(timed) => Ok(&timed.packed),
            Form::Large(large) => Err(large),
        }
    }

    fn packed_mut(&mut self) -> Result<&mut Packed, &mut Large> {
        match &mut self.0 {
            Form::Packed(packed) => Ok(packed),
            Form::Timed(timed) => Ok(&mut timed.packed),
            Form::Large(large) => Err(large),
        }
    }

    /// The number of fields: of a packed hash they are counted.
    pub fn len(&self) -> usize {
        self.packed().map_or_else(Large::len, Packed::count)
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.packed().map_or_else(|large| large.len() == 0, Packed::is_empty)
    }

    /// The name of the encoding, as OBJECT ENCODING replies it.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Packed(_) => "listpack",
            Form::Timed(_) => "listpackex",
            Form::Large(_) => "hashtable",
        }
    }

    /// The bytes taken from the allocator. Constant time.
    pub fn allocated(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.allocated(),
            Form::Timed(timed) => size_of::<Timed>() + timed.packed.allocated(),
            Form::Large(large) => large.allocated(),
        }
    }

    /// See [`crate::storage::value::Object::freeze`].
    pub fn freeze(&mut self) -> Hash {
        match &mut self.0 {
            Form::Large(large) => Hash(Form::Large(Box::new(large.freeze()))),
            form => Hash(form.clone()),
        }
    }

    /// See [`crate::storage::value::Object::copy`].
    pub fn copy(&mut self) -> Hash {
        match &mut self.0 {
            Form::Large(large) => Hash(Form::Large(Box::new(large.copy()))),
            form => Hash(form.clone()),
        }
    }

    /// See [`crate::storage::value::Object::shed`].
    pub fn shed(&mut self) -> bool {
        self.packed_mut().is_err_and(Large::shed)
    }

    /// The number of allocations that have to be freed, about.
    pub fn parts(&self) -> usize {
        self.packed().map_or_else(Large::len, |_| 1)
    }

    /// No field expires before this moment, in monotonic milliseconds; zero when none ever does.
    #[inline]
    pub fn next_deadline_ms(&self) -> u64 {
        match &self.0 {
            Form::Packed(_) => 0,
            Form::Timed(timed) => timed.next_ms,
            Form::Large(large) => large.next_deadline_ms(),
        }
    }

    /// See [`crate::storage::value::Object::prefetch`].
    #[inline]
    pub fn prefetch(&self, field: Option<&[u8]>, hasher: &Hasher) -> bool {
        match (self.packed(), field) {
            (Ok(packed), _) => packed.prefetch(),
            (Err(large), Some(field)) => {
                large.prefetch(field, hasher);
                return true;
            }
            (Err(_), None) => {}
        }
        false
    }

    /// See [`crate::storage::value::Object::prefetch_field`].
    #[inline]
    pub fn prefetch_field(&self, field: &[u8], hasher: &Hasher) {
        if let Err(large) = self.packed() {
            large.prefetch_field(field, hasher);
        }
    }

    /// A field's value.
    #[inline]
    pub fn get(&self, field: &[u8], hasher: &Hasher) -> Option<Value<'_>> {
        match self.packed() {
            Ok(packed) => packed.find(field).ok().map(|pair| Value::Inline(pair.value)),
            Err(large) => large.get(field, hasher),
        }
    }

    /// Whether there is such a field.
    pub fn contains(&self, field: &[u8], hasher: &Hasher) -> bool {
        self.get(field, hasher).is_some()
    }

    /// When a field expires, zero for never; None when there is no such field.
    pub fn deadline_ms(&self, field: &[u8], hasher: &Hasher) -> Option<u64> {
        match self.packed() {
            Ok(packed) => packed.find(field).ok().map(|pair| pair.deadline_ms),
            Err(large) => large.deadline_ms(field, hasher),
        }
    }

    /// All fields with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Value<'_>)> {
        self.iter_timed().map(|(field, value, _)| (field, value))
    }

    /// All fields with their values and deadlines, zero for none.
    pub fn iter_timed(&self) -> impl Iterator<Item = (&[u8], Value<'_>, u64)> {
        let (packed, large) = match self.packed() {
            Ok(packed) => (Some(packed), None),
            Err(large) => (None, Some(large)),
        };
        let packed = packed.into_iter().flat_map(Packed::iter);
        let packed = packed.map(|pair| (pair.field, Value::Inline(pair.value), pair.deadline_ms));
        packed.chain(large.into_iter().flat_map(Large::iter))
    }

    /// Visits all fields with their values.
    #[inline]
    pub fn for_each(&self, mut f: impl FnMut(&[u8], Value<'_>)) {
        match self.packed() {
            Ok(packed) => packed.iter().for_each(|pair| f(pair.field, Value::Inline(pair.value))),
            Err(large) => large.iter().for_each(|(field, value, _)| f(field, value)),
        }
    }

    /// Makes room for so many bytes of packed pairs, if the hash is packed.
    pub fn reserve(&mut self, bytes: usize) {
        if let Ok(packed) = self.packed_mut() {
            packed.reserve(bytes);
        }
    }

    /// Becomes large if one of `texts` is too long for a packed hash.
    pub fn fit<'a>(&mut self, mut texts: impl Iterator<Item = &'a [u8]>, limits: Limits<'_>) {
        if self.packed().is_ok() && texts.any(|text| text.len() > limits.bytes) {
            self.enlarge(limits.hasher);
        }
    }

    /// Sets a field's value. Returns whether the field is new.
    #[inline]
    pub fn set(&mut self, field: &[u8], value: NewValue<'_>, ttl: Ttl, limits: Limits<'_>) -> bool {
        let text = text(&value);
        if field.len().max(text.len()) > limits.bytes {
            self.enlarge(limits.hasher);
        }
        let packed = match self.packed_mut() {
            Ok(packed) => packed,
            Err(large) => return large.set(field, value, ttl, limits.hasher),
        };
        match packed.find(field) {
            Ok(pair) => {
                let (old_ms, place) = (pair.deadline_ms, pair.place);
                let deadline_ms = if ttl == Ttl::Keep { old_ms } else { 0 };
                packed.replace(place, field, text, deadline_ms);
                if old_ms != deadline_ms {
                    self.note_deadlines();
                }
                false
            }
            Err(count) => {
                packed.push(field, text, 0);
                if count >= limits.fields {
                    self.enlarge(limits.hasher);
                }
                true
            }
        }
    }

    /// Removes a field. Returns whether it was there.
    pub fn remove(&mut self, field: &[u8], hasher: &Hasher) -> bool {
        let packed = match self.packed_mut() {
            Ok(packed) => packed,
            Err(large) => return large.remove(field, hasher),
        };
        let Ok(Pair { place, deadline_ms, .. }) = packed.find(field) else { return false };
        packed.remove(place);
        if deadline_ms != 0 {
            self.note_deadlines();
        }
        true
    }

    /// Takes the form that has room for deadlines, if the hash is packed.
    pub fn note_times(&mut self) {
        if let Form::Packed(packed) = &mut self.0 {
            let packed = std::mem::take(packed);
            self.0 = Form::Timed(Box::new(Timed { packed, next_ms: 0 }));
        }
    }

    /// Changes a field's deadline; zero takes it away. Returns whether there is such a field.
    pub fn set_deadline(&mut self, field: &[u8], deadline_ms: u64, hasher: &Hasher) -> bool {
        if deadline_ms != 0 {
            self.note_times();
        }
        let packed = match self.packed_mut() {
            Ok(packed) => packed,
            Err(large) => return large.set_deadline(field, deadline_ms, hasher),
        };
        let Ok(pair) = packed.find(field) else { return false };
        if pair.deadline_ms != deadline_ms {
            let (place, value) = (pair.place, pair.value.to_vec());
            packed.replace(place, field, &value, deadline_ms);
            self.note_deadlines();
        }
        true
    }

    /// Removes at most `limit` fields that are due, and calls `f` with their names.
    pub fn expire(&mut self, now_ms: u64, limit: usize, hasher: &Hasher, mut f: impl FnMut(&[u8])) {
        match &mut self.0 {
            Form::Packed(_) => {}
            Form::Timed(timed) => {
                let due = |pair: &Pair<'_>| (1..=now_ms).contains(&pair.deadline_ms);
                for _ in 0..limit {
                    let Some(pair) = timed.packed.iter().find(due) else { break };
                    f(pair.field);
                    let place = pair.place;
                    timed.packed.remove(place);
                }
                self.note_deadlines();
            }
            Form::Large(large) => large.expire(now_ms, limit, hasher, f),
        }
    }

    /// Visits fields from `cursor` on until about `count` were seen, and returns where to go on,
    /// zero for the end. A packed hash is visited whole.
    pub fn scan<'a>(
        &'a self,
        cursor: u64,
        count: u64,
        hasher: &Hasher,
        mut f: impl FnMut(&'a [u8], Value<'a>),
    ) -> u64 {
        match self.packed() {
            Ok(packed) => {
                packed.iter().for_each(|pair| f(pair.field, Value::Inline(pair.value)));
                0
            }
            Err(large) => large.scan(cursor, count, hasher, f),
        }
    }

    /// `count` fields drawn evenly, any of them as often as it comes.
    pub fn draw(
        &self,
        count: u64,
        random: &mut fastrand::Rng,
        mut f: impl FnMut(&[u8], Value<'_>) -> bool,
    ) {
        match self.packed() {
            Ok(packed) => {
                let pairs: Vec<_> = packed.iter().collect();
                for _ in 0..if pairs.is_empty() { 0 } else { count } {
                    let pair = &pairs[random.usize(..pairs.len())];
                    if !f(pair.field, Value::Inline(pair.value)) {
                        break;
                    }
                }
            }
            Err(large) => large.draw(count, random, f),
        }
    }

    /// `count` different fields drawn evenly; there are more of them.
    pub fn draw_distinct(
        &self,
        count: usize,
        random: &mut fastrand::Rng,
        mut f: impl FnMut(&[u8], Value<'_>),
    ) {
        match self.packed() {
            Ok(packed) => {
                let mut pairs: Vec<_> = packed.iter().collect();
                random.shuffle(&mut pairs);
                pairs.truncate(count);
                pairs.iter().for_each(|pair| f(pair.field, Value::Inline(pair.value)));
            }
            Err(large) => large.draw_distinct(count, random, f),
        }
    }

    /// Finds the earliest deadline anew.
    fn note_deadlines(&mut self) {
        if let Form::Timed(timed) = &mut self.0 {
            let deadlines = timed.packed.iter().map(|pair| pair.deadline_ms);
            timed.next_ms = deadlines.filter(|&deadline_ms| deadline_ms != 0).min().unwrap_or(0);
        }
    }

    /// Turns a packed hash into a large one.
    #[cold]
    fn enlarge(&mut self, hasher: &Hasher) {
        let Ok(packed) = self.packed() else { return };
        let mut large = Box::<Large>::default();
        for pair in packed.iter() {
            large.insert(pair.field, NewValue::Str(pair.value), pair.deadline_ms, hasher);
        }
        self.0 = Form::Large(large);
    }
}

/// The bytes of a value to be stored.
fn text<'a>(value: &'a NewValue<'_>) -> &'a [u8] {
    match value {
        NewValue::Str(bytes) | NewValue::Raw(bytes) => bytes,
        NewValue::Shared(bytes) => bytes,
        _ => panic!("a field's value is given as text"),
    }
}
