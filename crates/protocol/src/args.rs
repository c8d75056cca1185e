//! A request's arguments, as ranges of the buffer they arrived in.
//!
//! Nothing is copied on the way from the socket to a handler: the parser notes where each
//! argument begins and how long it is, and `Args` is that list laid over the buffer.
//!
//! ```text
//! bytes   *2 \r \n $3 \r \n G E T \r \n $1 \r \n k \r \n
//! spans                    {8,3}              {17,1}
//! ```
//!
//! The invariant: every span lies inside the buffer. The parser keeps it; `Args` checks it again
//! with the ordinary bounds check of a slice. Spans are `u32`, because input buffers stay below
//! 4 GiB (the parser asserts it) and half the size is half the cache.
//!
//! Deliberately absent: any meaning. Which argument is a key is the command table's business.

use bytes::Bytes;
use std::fmt;
use std::ops::Index;

/// A range of the input buffer: where an argument begins and its length, in bytes.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Number of bytes.
    pub len: u32,
}

impl Span {
    #[inline]
    fn of(self, bytes: &[u8]) -> &[u8] {
        let start = self.start as usize;
        &bytes[start..start + self.len as usize]
    }
}

/// One request's arguments, the command's name first, borrowed from the input.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
    shared: Option<&'a Bytes>,
}

impl<'a> Args<'a> {
    /// The arguments that `spans` cut out of `bytes`.
    #[inline]
    pub fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        Self { bytes, spans, shared: None }
    }

    /// The arguments that `spans` cut out of a reference-counted buffer, so that a large one can
    /// be kept without a copy (see [`Args::shared`]).
    #[inline]
    pub fn with_shared(shared: &'a Bytes, spans: &'a [Span]) -> Self {
        Self { bytes: &shared[..], spans, shared: Some(shared) }
    }

    /// Number of arguments, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no argument at all: an empty line or an empty array.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Argument `i`, if there are as many.
    #[inline]
    pub fn get(&self, i: usize) -> Option<&'a [u8]> {
        self.spans.get(i).map(|span| span.of(self.bytes))
    }

    /// Argument `i`, with the lifetime of the input, which indexing cannot give.
    ///
    /// # Panics
    /// If there are not as many arguments.
    #[inline]
    pub fn at(&self, i: usize) -> &'a [u8] {
        self.spans[i].of(self.bytes)
    }

    /// All arguments in order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let bytes = self.bytes;
        self.spans.iter().map(move |span| span.of(bytes))
    }

    /// The arguments from number `n` on; none when there are not as many.
    #[inline]
    pub fn from(&self, n: usize) -> Args<'a> {
        Args { spans: self.spans.get(n..).unwrap_or_default(), ..*self }
    }

    /// The first `n` arguments, or all when there are fewer.
    #[inline]
    pub fn first(&self, n: usize) -> Args<'a> {
        Args { spans: &self.spans[..n.min(self.spans.len())], ..*self }
    }

    /// Argument `i` by reference to the shared buffer, where that saves more than it costs: the
    /// request is backed by [`Bytes`], and the argument is at least half of them, so that the
    /// buffer which it keeps alive is at most twice its size.
    pub fn shared(&self, i: usize) -> Option<Bytes> {
        let shared = self.shared?;
        let span = self.spans.get(i)?;
        let (start, len) = (span.start as usize, span.len as usize);
        (len > 0 && len >= shared.len() / 2).then(|| shared.slice(start..start + len))
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];

    #[inline]
    fn index(&self, i: usize) -> &[u8] {
        self.at(i)
    }
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|arg| arg.escape_ascii().to_string())).finish()
    }
}

/// A request that outlives the input it came in: a queued command, a script's call.
#[derive(Clone, Default)]
pub struct OwnedArgs {
    bytes: Bytes,
    spans: Box<[Span]>,
}

impl OwnedArgs {
    /// A request from its arguments, the command's name first.
    ///
    /// # Panics
    /// If the arguments exceed 4 GiB together.
    pub fn from_slices(args: &[&[u8]]) -> Self {
        Self::collect(args.iter().copied())
    }

    /// The request's arguments, backed by shared bytes.
    #[inline]
    pub fn as_args(&self) -> Args<'_> {
        Args::with_shared(&self.bytes, &self.spans)
    }

    /// The bytes that keeping this request costs, its own struct aside.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.len() + size_of_val(&*self.spans)
    }

    fn collect<'s>(args: impl ExactSizeIterator<Item = &'s [u8]> + Clone) -> Self {
        let total = args.clone().map(<[u8]>::len).sum();
        assert!(u32::try_from(total).is_ok(), "a request exceeds 4 GiB");
        let mut bytes = Vec::with_capacity(total);
        let mut spans = Vec::with_capacity(args.len());
        for arg in args {
            spans.push(Span { start: bytes.len() as u32, len: arg.len() as u32 });
            bytes.extend_from_slice(arg);
        }
        Self { bytes: Bytes::from(bytes), spans: spans.into_boxed_slice() }
    }
}

impl From<Args<'_>> for OwnedArgs {
    fn from(args: Args<'_>) -> Self {
        if let Some(shared) = args.shared {
            // A request in a buffer of its own is kept as it is; one of many in a large buffer
            // is copied, or it would keep all of them alive.
            let used: usize = args.spans.iter().map(|span| span.len as usize).sum();
            if used >= shared.len() / 2 {
                return Self { bytes: shared.clone(), spans: args.spans.into() };
            }
        }
        Self::collect(args.iter())
    }
}

impl fmt::Debug for OwnedArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_args().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPANS: [Span; 3] =
        [Span { start: 0, len: 3 }, Span { start: 4, len: 1 }, Span { start: 6, len: 0 }];

    #[test]
    fn arguments_are_cut_out_of_the_buffer() {
        let args = Args::new(b"SET k ", &SPANS);
        assert_eq!(args.len(), 3);
        assert_eq!(&args[0], b"SET");
        assert_eq!(args.at(1), b"k");
        assert_eq!(args.get(2), Some(&b""[..]));
        assert_eq!(args.get(3), None);
        assert_eq!(args.iter().collect::<Vec<_>>(), [&b"SET"[..], b"k", b""]);
        assert_eq!(args.from(1).at(0), b"k");
        assert!(args.from(4).is_empty());
        assert_eq!(args.shared(0), None);
        assert_eq!(format!("{args:?}"), r#"["SET", "k", ""]"#);
    }

    #[test]
    fn only_an_argument_that_fills_its_buffer_is_shared() {
        let buffer = Bytes::from_static(b"k 0123456789");
        let spans = [Span { start: 0, len: 1 }, Span { start: 2, len: 10 }];
        let args = Args::with_shared(&buffer, &spans);
        assert_eq!(args.shared(0), None);
        let value = args.shared(1).expect("most of the buffer");
        assert_eq!(value.as_ptr(), buffer[2..].as_ptr());
        assert_eq!(args.shared(2), None);
    }

    #[test]
    fn owned_arguments_are_the_same_arguments() {
        let args = Args::new(b"SET k ", &SPANS);
        for owned in [OwnedArgs::from(args), OwnedArgs::from_slices(&[b"SET", b"k", b""])] {
            assert!(owned.as_args().iter().eq(args.iter()));
            assert_eq!(owned.heap_bytes(), 4 + 3 * 8);
        }
    }

    #[test]
    fn owning_a_small_part_of_a_shared_buffer_copies_it() {
        let buffer = Bytes::from(vec![b'x'; 100]);
        let whole = [Span { start: 0, len: 60 }];
        let part = [Span { start: 0, len: 10 }];
        let kept = OwnedArgs::from(Args::with_shared(&buffer, &whole));
        assert_eq!(kept.as_args().at(0).as_ptr(), buffer.as_ptr());
        let copied = OwnedArgs::from(Args::with_shared(&buffer, &part));
        assert_ne!(copied.as_args().at(0).as_ptr(), buffer.as_ptr());
        assert_eq!(copied.as_args().at(0), [b'x'; 10]);
    }
}
