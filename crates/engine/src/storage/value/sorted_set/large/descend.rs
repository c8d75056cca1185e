//! The ways down a sorted set's tree, and up from a page.
//!
//! On the way down what a step will touch of the next node is fetched at once: a search by halves
//! waits for one line of the memory after the other.

use super::super::order;
use super::page::{NONE, Page};
use super::tree::{Node, Tree};
use crate::storage::value::dense::Numbered;
use std::cmp::Ordering;

impl Tree {
    #[inline]
    pub(super) fn edge(&self, mut number: u32, level: u8, last: bool) -> u32 {
        for _ in 0..level {
            let node = self.nodes.get(number);
            number = node.children[if last { node.len() - 1 } else { 0 }];
        }
        number
    }

    /// The child that a score and text belong below.
    #[inline]
    fn step(&self, node: &Node, score: f64, member: &[u8]) -> u32 {
        let separators = &node.separators[..node.len() - 1];
        let mut child = separators.partition_point(|&own| own <= score);
        if child > 0 && separators[child - 1] == score {
            let mut low = separators.partition_point(|&own| own < score);
            while low < child {
                let middle = (low + child).div_ceil(2);
                let page = self.edge(node.children[middle], node.level - 1, false);
                let first = self.pages.get(page).entry(0);
                if order((first.1, first.0), (score, member)) == Ordering::Greater {
                    child = middle - 1;
                } else {
                    low = middle;
                }
            }
        }
        node.children[child]
    }

    /// The page that a score and text belong in.
    #[inline]
    pub fn descend(&self, score: f64, member: &[u8]) -> u32 {
        let mut number = self.root;
        for _ in 0..self.height {
            let node = self.nodes.get(number);
            number = self.step(node, score, member);
            match node.level {
                1 => self.pages.get(number).prefetch_all(),
                _ => self.nodes.get(number).prefetch(),
            }
        }
        number
    }

    /// The page in which the members end of which `below` is true at the front, judged by a page's
    /// first member; and how many members lie before it.
    pub fn descend_by(&self, below: impl Fn(&[u8], f64) -> bool) -> (u32, usize) {
        let (mut number, mut before) = (self.root, 0);
        for level in (0..self.height).rev() {
            let node = self.nodes.get(number);
            let (mut low, mut child) = (0, node.len() - 1);
            while low < child {
                let middle = (low + child).div_ceil(2);
                let first = self.pages.get(self.edge(node.children[middle], level, false)).entry(0);
                if below(first.0, first.1) { low = middle } else { child = middle - 1 }
            }
            before += node.sum(low);
            number = node.children[low];
        }
        (number, before)
    }

    /// The page in which the members end whose score is `below`, by separators alone, and how many
    /// members lie before it.
    pub fn descend_by_score(&self, below: impl Fn(f64) -> bool) -> (u32, usize) {
        let (mut number, mut before) = (self.root, 0);
        for _ in 0..self.height {
            let node = self.nodes.get(number);
            let child = node.separators[..node.len() - 1].partition_point(|&own| below(own));
            number = node.children[child];
            match node.level {
                1 => self.pages.get(number).prefetch_scores(),
                _ => self.nodes.get(number).prefetch(),
            }
            before += node.sum(child);
        }
        (number, before)
    }

    /// The nodes above a page, the nearest first, each with the place of the child on the way.
    #[inline]
    fn ancestors(&self, page: &Page) -> impl Iterator<Item = (&Node, usize)> {
        let (mut child, mut parent) = (page.number(), page.parent);
        std::iter::from_fn(move || {
            (parent != NONE).then(|| {
                let node = self.nodes.get(parent);
                let at = node.position(child);
                (child, parent) = (parent, node.parent);
                (node, at)
            })
        })
    }

    /// How many members lie before a page.
    pub fn before(&self, page: &Page) -> usize {
        self.ancestors(page).map(|(node, at)| node.sum(at)).sum()
    }

    /// Whether a score is less than all that can lie behind a page.
    pub fn is_before_separator(&self, page: u32, score: f64) -> bool {
        let next = self.ancestors(self.pages.get(page)).find(|(node, at)| at + 1 < node.len());
        next.is_none_or(|(node, at)| score < node.separators[at])
    }

    /// Whether a score is greater than all that can lie before a page.
    pub fn is_behind_separator(&self, page: u32, score: f64) -> bool {
        let previous = self.ancestors(self.pages.get(page)).find(|(_, at)| *at > 0);
        previous.is_none_or(|(node, at)| score > node.separators[at - 1])
    }

    /// The page and the place in it of the member with this rank. There is one.
    pub fn select(&self, mut rank: usize) -> (u32, usize) {
        let mut number = self.root;
        for _ in 0..self.height {
            let node = self.nodes.get(number);
            let mut at = 0;
            while at + 1 < node.len() && rank >= node.counts[at] as usize {
                rank -= node.counts[at] as usize;
                at += 1;
            }
            number = node.children[at];
        }
        (number, rank)
    }
}
