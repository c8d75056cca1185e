//! Arrays whose number of elements is known only when they are written.

use crate::reply::Reply;

/// An array that has begun.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    start: usize,
    end: usize,
    guess: usize,
}

impl Reply {
    /// Begins an array of `guess` elements, which may turn out to be another number of them. None
    /// of them is a value by reference.
    #[inline]
    pub fn begin_array(&mut self, guess: usize) -> Begun {
        let start = self.buf_mut().len();
        self.array(guess);
        Begun { start, end: self.buf_mut().len(), guess }
    }

    /// Begins a map of which it is not known yet how many pairs it has; RESP3 only.
    pub fn begin_map(&mut self, guess: usize) -> Begun {
        let start = self.buf_mut().len();
        self.map(guess);
        Begun { start, end: self.buf_mut().len(), guess }
    }

    /// Ends an array of `count` elements, or a map of so many pairs.
    #[inline]
    pub fn end_array(&mut self, begun: Begun, count: usize) {
        let Begun { start, end, guess } = begun;
        if count != guess {
            let kind = char::from(self.buf_mut()[start]);
            self.buf_mut().splice(start..end, format!("{kind}{count}\r\n").into_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Protocol, Reply};

    #[test]
    fn a_map_has_as_many_pairs_as_it_turns_out() {
        let (mut one, mut other) = (Reply::new(Protocol::Resp3), Reply::new(Protocol::Resp3));
        let begun = one.begin_map(12);
        other.map(1);
        one.integer(1);
        other.integer(1);
        one.end_array(begun, 1);
        assert_eq!(one.buf_mut(), other.buf_mut());
    }

    #[test]
    fn an_array_has_as_many_elements_as_it_turns_out() {
        for (guess, count) in [(0, 0), (3, 3), (3, 0), (100, 2), (2, 100)] {
            let (mut one, mut other) = (Reply::new(Protocol::Resp3), Reply::new(Protocol::Resp3));
            let begun = one.begin_array(guess);
            other.array(count);
            for n in 0..count {
                one.integer(n as i64);
                other.integer(n as i64);
            }
            one.end_array(begun, count);
            assert_eq!(one.to_vec(), other.to_vec());
        }
    }
}
