//! Members are found: by the index, or down the tree; and what that will touch is fetched ahead.
//!
//! A member that is looked up by itself costs one wait for memory after the other: its line of the
//! index, the head of its page, its score and text. Of several, each wait is one for all of them.

use super::index::tag;
use super::page::{NONE, Page};
use super::{Hasher, Large};
use crate::storage::value::dense::Numbered;

/// How many removals from an end a member is fetched before its own.
const AHEAD: usize = 3;
/// Members that are fetched together at most.
const TOGETHER: usize = 64;

impl Large {
    /// Has a member's line of the index fetched.
    #[inline]
    pub fn prefetch(&self, member: &[u8], hasher: &Hasher) {
        self.index.prefetch(hasher.hash(member));
    }

    /// Has what looking for these members will touch fetched, in the three steps of a search.
    pub fn prefetch_all(&self, members: &[&[u8]], hasher: &Hasher) {
        for members in members.chunks(TOGETHER) {
            let mut hashes = [0; TOGETHER];
            for (hash, member) in hashes.iter_mut().zip(members) {
                *hash = hasher.hash(member);
                self.index.prefetch(*hash);
            }
            let mut pages = [None; TOGETHER];
            for (page, hash) in pages.iter_mut().zip(&hashes[..members.len()]) {
                *page = self.index.guess(*hash).and_then(|number| self.tree.pages.find(number));
                page.inspect(|page: &&Page| page.prefetch_head());
            }
            for (page, hash) in pages.iter().zip(&hashes[..members.len()]) {
                if let Some(page) = page
                    && let Some(i) = page.guess(tag(*hash))
                {
                    page.prefetch_entry(i);
                }
            }
        }
    }

    /// Has what the removal of a member soon after that of the one with this rank will touch
    /// fetched, where that was an end of the set.
    pub(super) fn prefetch_next(&self, rank: usize, hasher: &Hasher) {
        let len = self.len();
        let (page, place) = if rank == 0 && len > 0 {
            (self.tree.pages.get(self.tree.first()), Some(AHEAD))
        } else if rank == len && len > 0 {
            let page = self.tree.pages.get(self.tree.last());
            (page, page.len().checked_sub(1 + AHEAD))
        } else {
            return;
        };
        match place.filter(|&place| place < page.len()) {
            Some(place) => self.index.prefetch(hasher.hash(page.member(place))),
            None => {
                let next = if rank == 0 { page.next } else { page.prev };
                self.page(next).inspect(|page| page.prefetch_all());
            }
        }
    }

    /// Where a member is: its page and its place there.
    #[inline]
    pub(super) fn locate(&self, hash: u64, member: &[u8]) -> Option<(u32, usize)> {
        self.find_page(hash, member).map(|(page, i)| (page.number(), i))
    }

    #[inline]
    fn find_page(&self, hash: u64, member: &[u8]) -> Option<(&Page, usize)> {
        let mut found = None;
        self.index.find(hash, |number| {
            let Some(page) = self.tree.attached(number) else { return false };
            found = page.find(tag(hash), member).map(|i| (page, i));
            found.is_some()
        });
        found
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8], hasher: &Hasher) -> Option<f64> {
        self.find_page(hasher.hash(member), member).map(|(page, i)| page.score(i))
    }

    /// How many members lie before a member, and its score.
    #[inline]
    pub fn rank(&self, member: &[u8], hasher: &Hasher) -> Option<(usize, f64)> {
        let (page, i) = self.find_page(hasher.hash(member), member)?;
        Some((self.tree.before(page) + i, page.score(i)))
    }

    /// Whether a member at an end of its page may stay there with another score, between the pages
    /// before and behind.
    #[inline]
    pub(super) fn stays_at_edge(&self, page: &Page, (number, i): (u32, usize), score: f64) -> bool {
        let old = page.score(i);
        (i > 0 || score > old || page.prev == NONE || self.tree.is_behind_separator(number, score))
            && (i + 1 < page.len()
                || score < old
                || page.next == NONE
                || self.tree.is_before_separator(number, score))
    }

    /// The number of members whose score is `below`, which is true at the front only.
    pub fn count_scores(&self, below: impl Fn(f64) -> bool) -> usize {
        let (number, before) = self.tree.descend_by_score(&below);
        before + self.tree.pages.get(number).scores_below(&below)
    }

    /// The number of members whose text is `below`, which is true at the front only: of a set in
    /// which all scores are equal.
    pub fn count_texts(&self, below: impl Fn(&[u8]) -> bool) -> usize {
        let (number, before) = self.tree.descend_by(|text, _| below(text));
        let page = self.tree.pages.get(number);
        before + page.texts_below(0, page.len(), below)
    }
}
