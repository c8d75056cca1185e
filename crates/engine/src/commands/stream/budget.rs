//! What XREAD and XREADGROUP are asked for, and how much of it they may still give: COUNT is of
//! each stream, MAXCOUNT and MAXSIZE are of all together.

use crate::commands::arguments::integer;
use crate::error::Error;
use crate::run::call::Call;
use crate::spec::WRITE;
use crate::storage::value::stream::block::Item;
use crate::storage::value::stream::id::Id;
use redstart_protocol::parse_i64;

/// Nothing in the place of fields.
const NIL: &str = "*-1\r\n";

/// The options of both commands.
#[derive(Default)]
pub struct ReadOptions {
    /// At most so many entries of each stream; zero is all.
    pub most: usize,
    pub block_ms: Option<u64>,
    /// At most so many entries of all streams together.
    pub most_in_all: Option<usize>,
    /// About so many bytes of reply.
    pub most_bytes: Option<usize>,
    /// Where the group's and the consumer's names are, if there are any.
    pub group: Option<usize>,
    pub no_ack: bool,
    /// Takes over what others have had pending for so long.
    pub claim_ms: Option<i64>,
    /// Where the ids begin.
    pub ids: usize,
}

impl ReadOptions {
    pub fn parse(call: &Call<'_>) -> Result<ReadOptions, Error> {
        let args = call.args;
        let for_group = call.command.is(WRITE);
        let mut options = ReadOptions::default();
        let mut at = 1;
        let streams = loop {
            let Some(word) = args.get(at) else { return Err(Error::SYNTAX) };
            let more = args.len() - at - 1;
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            let only_group = |name: &str| match for_group {
                true => Ok(()),
                false => Err(Error::only_xreadgroup(name)),
            };
            if is(b"BLOCK") && more > 0 {
                options.block_ms = Some(timeout_ms(call, at + 1)?);
                at += 2;
            } else if is(b"COUNT") && more > 0 {
                options.most = usize::try_from(integer(call, at + 1)?).unwrap_or(0);
                at += 2;
            } else if is(b"MAXCOUNT") && more > 0 {
                options.most_in_all = Some(positive(call, at + 1, Error::MAXCOUNT_ABOVE_ZERO)?);
                at += 2;
            } else if is(b"MAXSIZE") && more > 0 {
                options.most_bytes = Some(positive(call, at + 1, Error::MAXSIZE_ABOVE_ZERO)?);
                at += 2;
            } else if is(b"STREAMS") && more > 0 {
                if !more.is_multiple_of(2) {
                    return Err(Error::unbalanced_streams(for_group));
                }
                break at + 1;
            } else if is(b"GROUP") && more >= 2 {
                only_group("GROUP")?;
                options.group = Some(at + 1);
                at += 3;
            } else if is(b"NOACK") {
                only_group("NOACK")?;
                options.no_ack = true;
                at += 1;
            } else if is(b"CLAIM") && more > 0 {
                only_group("CLAIM")?;
                let ms = parse_i64(args.at(at + 1)).ok_or(Error::MIN_IDLE)?;
                options.claim_ms = Some(ms);
                if ms < 0 {
                    return Err(Error::MIN_IDLE_NEGATIVE);
                }
                at += 2;
            } else {
                return Err(Error::SYNTAX);
            }
        };
        if for_group && options.group.is_none() {
            return Err(Error::MISSING_GROUP);
        }
        if options.most_in_all.is_some_and(|most| most < options.most) {
            return Err(Error::MAXCOUNT_BELOW_COUNT);
        }
        options.ids = streams + (args.len() - streams) / 2;
        Ok(options)
    }

    /// At most so many entries of each stream.
    pub fn most(&self) -> usize {
        if self.most == 0 { usize::MAX } else { self.most }
    }
}

/// Argument `at` as a number above zero.
fn positive(call: &Call<'_>, at: usize, error: Error) -> Result<usize, Error> {
    let number = parse_i64(call.args.at(at)).filter(|number| *number > 0);
    number.and_then(|number| usize::try_from(number).ok()).ok_or(error)
}

/// Argument `at` as a time to wait in milliseconds.
fn timeout_ms(call: &Call<'_>, at: usize) -> Result<u64, Error> {
    let ms = parse_i64(call.args.at(at)).ok_or(Error::TIMEOUT_NOT_INTEGER)?;
    let ms = u64::try_from(ms).map_err(|_| Error::TIMEOUT_NEGATIVE)?;
    if ms >= i64::MAX as u64 - call.now().present().wall_ms.max(0) as u64 {
        return Err(Error::TIMEOUT_OUT_OF_RANGE);
    }
    Ok(ms)
}

/// How much a reply may still have.
pub struct Budget {
    entries: usize,
    /// None where the bytes do not matter.
    bytes: Option<usize>,
    /// Nothing has been given: the first entry is, however large it is.
    is_untouched: bool,
}

impl Budget {
    /// What the options allow.
    pub fn new(options: &ReadOptions) -> Budget {
        Budget {
            entries: options.most_in_all.unwrap_or(usize::MAX),
            bytes: options.most_bytes,
            is_untouched: true,
        }
    }

    /// Whether nothing more may be given.
    pub fn is_spent(&self) -> bool {
        self.entries == 0
    }

    /// Whether it sets a bound at all.
    pub fn is_bound(&self) -> bool {
        self.bytes.is_some() || self.entries < usize::MAX
    }

    /// How many of these entries may be given, at most `most`, by the bytes of each in the reply.
    /// They count as given. Without bounds nothing is looked at.
    pub fn take(&mut self, most: usize, mut sizes: impl Iterator<Item = usize>) -> usize {
        if !self.is_bound() {
            return most;
        }
        let (most, mut count) = (most.min(self.entries), 0);
        while count < most {
            let Some(bytes) = sizes.next() else { break };
            if let Some(left) = &mut self.bytes {
                if bytes > *left && !self.is_untouched {
                    // What comes behind is not given either, if it is small.
                    self.entries = 0;
                    return count;
                }
                *left = left.saturating_sub(bytes);
            }
            self.is_untouched = false;
            count += 1;
        }
        self.entries -= count;
        count
    }
}

/// The bytes that an entry takes in a reply whose fields are gone.
pub fn size_without_fields(id: Id) -> usize {
    size_of_head(2) + id.with_text(size_of_text) + NIL.len()
}

/// The bytes that an entry takes in a reply.
pub fn size_of(item: &Item<'_>) -> usize {
    let texts = item.fields.iter().map(|(name, value)| size_of_text(name) + size_of_text(value));
    size_of_head(2)
        + item.id.with_text(size_of_text)
        + size_of_head(2 * item.fields.len())
        + texts.sum::<usize>()
}

fn size_of_text(text: &[u8]) -> usize {
    size_of_head(text.len()) + text.len() + 2
}

/// The bytes of the line that says a length.
fn size_of_head(len: usize) -> usize {
    len.max(1).ilog10() as usize + 4
}
