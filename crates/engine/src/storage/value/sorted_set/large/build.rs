//! Members that come in order are added behind all others: one by one, or page by page.

use super::index::tag;
use super::page::{BODY, Run, entry_len};
use super::{Hasher, Large, Lookup, bytes_outside};

impl Large {
    /// Adds a member that belongs behind all others.
    pub fn push(&mut self, member: &[u8], score: f64, hasher: &Hasher) {
        let hash = hasher.hash(member);
        self.outside += bytes_outside(member);
        let last = self.tree.last();
        let page = self.tree.pages.get(last);
        let (number, i) = match page.fits(entry_len(member)) {
            true => (last, page.len()),
            false => (self.tree.add_behind(last, score), 0),
        };
        self.tree.pages.own(number).insert(i, tag(hash), score, member);
        self.tree.count(number, 1);
        self.index.insert(hash, number, &Lookup { tree: &self.tree, hasher });
    }

    /// Adds members that belong behind all others, in order.
    pub fn extend<'m>(&mut self, members: impl Iterator<Item = (&'m [u8], f64)>, hasher: &Hasher) {
        let (mut run, mut hashes) = (std::mem::take(&mut self.run), Vec::new());
        let mut first = 0.0;
        run.clear();
        for (member, score) in members {
            if run.bytes() + entry_len(member) > BODY {
                self.add_page(&mut run, &mut hashes, first, hasher);
            }
            if run.len() == 0 {
                first = score;
            }
            let hash = hasher.hash(member);
            self.outside += bytes_outside(member);
            run.push(tag(hash), score, member);
            hashes.push(hash);
        }
        if run.len() > 0 {
            self.add_page(&mut run, &mut hashes, first, hasher);
        }
        self.run = run;
    }

    /// Makes a run a page behind all others, and empties it.
    fn add_page(&mut self, run: &mut Run, hashes: &mut Vec<u64>, first: f64, hasher: &Hasher) {
        self.index.reserve(hashes.len(), &Lookup { tree: &self.tree, hasher });
        hashes.iter().for_each(|&hash| self.index.prefetch(hash));
        let last = self.tree.last();
        let number = match self.tree.len {
            0 => last,
            _ => self.tree.add_behind(last, first),
        };
        self.tree.pages.own(number).fill(run, (0, 0, 0), run.len());
        self.tree.count(number, run.len() as i32);
        let lookup = Lookup { tree: &self.tree, hasher };
        hashes.drain(..).for_each(|hash| self.index.insert(hash, number, &lookup));
        run.clear();
    }
}
