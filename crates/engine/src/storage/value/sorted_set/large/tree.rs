//! The inner part of a sorted set's tree: nodes that count what is below them.
//!
//! ```text
//!  node   children c0 .. cn    counts of members below each    separators s1 .. sn
//! ```
//!
//! The invariant of a separator: no score left of it is greater, no score right of it is less. So
//! a removal never has to repair one. Where the score that is looked for equals separators, the
//! first members of the pages in question are compared.

use super::page::{NONE, Page};
use crate::storage::memory::prefetch;
use crate::storage::value::dense::{Dense, Numbered};

/// The parent of what was cut off.
const DOOMED: u32 = NONE - 1;
/// The most children of a node.
pub const FAN: usize = 63;

const _: () = assert!(size_of::<Node>() <= 1024);

/// An inner node.
#[derive(Clone)]
#[repr(C)]
pub struct Node {
    pub(super) children: [u32; FAN],
    pub(super) counts: [u32; FAN],
    /// `separators[i]` lies between the children `i` and `i + 1`.
    pub(super) separators: [f64; FAN - 1],
    pub(super) parent: u32,
    number: u32,
    len: u8,
    pub(super) level: u8,
}

impl Default for Node {
    fn default() -> Node {
        Node {
            children: [NONE; FAN],
            counts: [0; FAN],
            separators: [0.0; FAN - 1],
            parent: NONE,
            number: NONE,
            len: 0,
            level: 0,
        }
    }
}

impl Numbered for Node {
    fn number(&self) -> u32 {
        self.number
    }
    fn set_number(&mut self, number: u32) {
        self.number = number;
    }
}

impl Node {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    #[inline]
    pub(super) fn position(&self, child: u32) -> usize {
        if self.children[0] == child {
            return 0;
        }
        let mut at = 0;
        for eight in self.children.chunks(8) {
            let mut found = 0;
            for (i, &own) in eight.iter().enumerate() {
                found |= u32::from(own == child) << i;
            }
            if found != 0 {
                return at + found.trailing_zeros() as usize;
            }
            at += 8;
        }
        unreachable!("a child is in its parent")
    }

    #[inline]
    pub(super) fn sum(&self, to: usize) -> usize {
        self.counts[..to].iter().fold(0u32, |sum, &count| sum.wrapping_add(count)) as usize
    }

    /// Has the node fetched.
    #[inline]
    pub(super) fn prefetch(&self) {
        let at = self as *const Node as *const u8;
        (0..16).for_each(|line| prefetch(at.wrapping_add(64 * line)));
    }

    /// Takes the children from `from` to before `to` out.
    fn cut(&mut self, from: usize, to: usize) {
        let (n, k) = (self.len(), to - from);
        self.children.copy_within(to..n, from);
        self.children[n - k..n].fill(NONE);
        self.counts.copy_within(to..n, from);
        let (first, behind) = if from == 0 { (0, to.min(n - 1)) } else { (from - 1, to - 1) };
        self.separators.copy_within(behind..n - 1, first);
        self.len -= k as u8;
    }
}

/// The tree: its nodes and its pages.
#[derive(Clone, Default)]
pub struct Tree {
    /// The pages.
    pub pages: Dense<Page>,
    pub(super) nodes: Dense<Node>,
    pub(super) root: u32,
    pub(super) height: u8,
    /// The number of members.
    pub len: usize,
    /// What was cut off with all that is below it, to be given back: level and number.
    doomed: Vec<(u8, u32)>,
}

impl Tree {
    /// A tree with one page.
    pub fn new() -> Tree {
        let mut tree = Tree::default();
        tree.root = tree.pages.add(Page::default());
        tree
    }

    /// The bytes taken from the allocator.
    pub fn allocated(&self) -> usize {
        self.pages.allocated() + self.nodes.allocated()
    }

    /// A copy that shares the pages, to be read in order only.
    pub fn freeze(&mut self) -> Tree {
        let first = self.first();
        Tree {
            pages: self.pages.freeze(),
            nodes: Dense::default(),
            root: first,
            height: 0,
            len: self.len,
            doomed: Vec::new(),
        }
    }

    /// A copy that shares pages and nodes, to be read by ranks.
    pub fn freeze_ranked(&mut self) -> Tree {
        Tree { nodes: self.nodes.freeze(), root: self.root, height: self.height, ..self.freeze() }
    }

    /// A copy that shares pages and nodes until either is changed.
    pub fn copy(&mut self) -> Tree {
        Tree {
            pages: self.pages.copy(),
            nodes: self.nodes.copy(),
            root: self.root,
            height: self.height,
            len: self.len,
            doomed: self.doomed.clone(),
        }
    }

    /// See [`Dense::shed`].
    pub fn shed(&mut self) -> bool {
        self.pages.shed() || self.nodes.shed()
    }

    /// The first page.
    pub fn first(&self) -> u32 {
        self.edge(self.root, self.height, false)
    }

    /// Adds to the counts above a page.
    #[inline]
    pub fn count(&mut self, page: u32, change: i32) {
        self.len = self.len.wrapping_add_signed(change as isize);
        let (mut child, mut parent) = (page, self.pages.get(page).parent);
        while parent != NONE {
            let node = self.nodes.own(parent);
            let at = node.position(child);
            node.counts[at] = node.counts[at].wrapping_add_signed(change);
            (child, parent) = (parent, node.parent);
        }
    }

    /// Sets the counts above a page anew, from the page up.
    pub fn recount(&mut self, page: u32) {
        let (mut child, mut parent) = (page, self.pages.get(page).parent);
        let mut count = self.pages.get(page).len();
        while parent != NONE {
            let node = self.nodes.own(parent);
            let at = node.position(child);
            node.counts[at] = count as u32;
            count = node.sum(node.len());
            (child, parent) = (parent, node.parent);
        }
        self.len = count;
    }

    /// The neighbours of a page below the same parent: before, behind.
    pub fn siblings(&self, page: u32) -> (Option<u32>, Option<u32>) {
        let parent = self.pages.get(page).parent;
        if parent == NONE {
            return (None, None);
        }
        let node = self.nodes.get(parent);
        let at = node.position(page);
        let before = (at > 0).then(|| node.children[at - 1]);
        (before, (at + 1 < node.len()).then(|| node.children[at + 1]))
    }

    /// Takes the counts of some neighbours anew, and the separators between them: entries were
    /// moved among them.
    pub fn note(&mut self, pages: &[u32]) {
        for pair in pages.windows(2) {
            let first = self.pages.get(pair[1]).score(0);
            let (mut left, mut right) = (pair[0], pair[1]);
            let (mut above, mut other) =
                (self.pages.get(left).parent, self.pages.get(right).parent);
            while above != other {
                (left, right) = (above, other);
                (above, other) = (self.nodes.get(left).parent, self.nodes.get(right).parent);
            }
            let node = self.nodes.own(above);
            let at = node.position(left);
            node.separators[at] = first;
        }
        pages.iter().for_each(|&page| self.recount(page));
    }

    /// The last page.
    pub fn last(&self) -> u32 {
        self.edge(self.root, self.height, true)
    }

    fn set_parent(&mut self, level: u8, number: u32, parent: u32) {
        match level {
            0 => self.pages.own(number).parent = parent,
            _ => self.nodes.own(number).parent = parent,
        }
    }

    /// Puts an empty page behind another one. The separator before it is `score`. Its count is
    /// zero.
    pub fn add_behind(&mut self, page: u32, score: f64) -> u32 {
        let next = self.pages.get(page).next;
        let mut own = Page::default();
        (own.prev, own.next) = (page, next);
        let new = self.pages.add(own);
        self.pages.own(page).next = new;
        if next != NONE {
            self.pages.own(next).prev = new;
        }
        self.add_child(0, page, new, score, 0);
        new
    }

    fn add_child(&mut self, level: u8, left: u32, new: u32, separator: f64, count: u32) {
        let mut parent = match level {
            0 => self.pages.get(left).parent,
            _ => self.nodes.get(left).parent,
        };
        if parent == NONE {
            let mut root = Node { level: level + 1, len: 1, ..Node::default() };
            (root.children[0], root.counts[0]) = (left, self.len as u32);
            parent = self.nodes.add(root);
            self.set_parent(level, left, parent);
            (self.root, self.height) = (parent, level + 1);
        }
        let mut at = self.nodes.get(parent).position(left);
        if self.nodes.get(parent).len() == FAN {
            // One that grows at its end stays full.
            let half = if at == FAN - 1 { FAN - 1 } else { FAN / 2 };
            let upper = self.split(parent, level + 1, half);
            if at >= half {
                (parent, at) = (upper, at - half);
            }
        }
        let node = self.nodes.own(parent);
        let n = node.len();
        node.counts[at] -= count;
        node.children.copy_within(at + 1..n, at + 2);
        node.counts.copy_within(at + 1..n, at + 2);
        node.separators.copy_within(at..n - 1, at + 1);
        (node.children[at + 1], node.counts[at + 1], node.separators[at]) = (new, count, separator);
        node.len += 1;
        self.set_parent(level, new, parent);
    }

    /// Moves the children of a node from `half` on to a new node behind it.
    fn split(&mut self, number: u32, level: u8, half: usize) -> u32 {
        let node = self.nodes.own(number);
        let rest = node.len() - half;
        let mut upper = Node { level, len: rest as u8, ..Node::default() };
        upper.children[..rest].copy_from_slice(&node.children[half..half + rest]);
        upper.counts[..rest].copy_from_slice(&node.counts[half..half + rest]);
        upper.separators[..rest - 1].copy_from_slice(&node.separators[half..half + rest - 1]);
        let separator = node.separators[half - 1];
        node.children[half..].fill(NONE);
        node.len = half as u8;
        let count = upper.sum(rest) as u32;
        let children = upper.children;
        let new = self.nodes.add(upper);
        children[..rest].iter().for_each(|&child| self.set_parent(level - 1, child, new));
        self.add_child(level, number, new, separator, count);
        new
    }

    /// A page that is not the first of its node gets what the one before it has, which will be
    /// dropped: its separator becomes that one's.
    pub fn widen_back(&mut self, page: u32) {
        let node = self.nodes.own(self.pages.get(page).parent);
        let at = node.position(page);
        if at > 1 {
            node.separators[at - 1] = node.separators[at - 2];
        }
    }

    /// Takes a page out of the tree and gives it back.
    pub fn drop_page(&mut self, page: u32) {
        let (prev, next) = (self.pages.get(page).prev, self.pages.get(page).next);
        if prev != NONE {
            self.pages.own(prev).next = next;
        }
        if next != NONE {
            self.pages.own(next).prev = prev;
        }
        let mut child = page;
        let mut parent = self.pages.get(page).parent;
        self.pages.remove(page);
        while parent != NONE {
            let node = self.nodes.own(parent);
            let at = node.position(child);
            node.cut(at, at + 1);
            let (left, above) = (node.len(), node.parent);
            if left > 0 {
                self.join(parent);
                break;
            }
            self.nodes.remove(parent);
            (child, parent) = (parent, above);
        }
        self.lower();
        self.nodes.settle(1);
    }

    /// Takes levels with one child away.
    fn lower(&mut self) {
        while self.height > 0 && self.nodes.get(self.root).len() == 1 {
            let child = self.nodes.get(self.root).children[0];
            self.nodes.remove(self.root);
            self.root = child;
            self.height -= 1;
            self.set_parent(self.height, child, NONE);
        }
    }

    /// Joins a node that has become small with a neighbour.
    fn join(&mut self, number: u32) {
        let node = self.nodes.get(number);
        let (len, level, parent) = (node.len(), node.level, node.parent);
        if len > FAN / 4 || parent == NONE {
            return;
        }
        let above = self.nodes.get(parent);
        let at = above.position(number);
        let left = if at > 0 { at - 1 } else { at };
        if left + 1 >= above.len() {
            return;
        }
        let (first, second) = (above.children[left], above.children[left + 1]);
        let separator = above.separators[left];
        let (one, two) = (self.nodes.get(first).len(), self.nodes.get(second).len());
        if one + two > FAN * 3 / 4 {
            return;
        }
        let gone = self.nodes.remove(second);
        let node = self.nodes.own(first);
        node.children[one..one + two].copy_from_slice(&gone.children[..two]);
        node.counts[one..one + two].copy_from_slice(&gone.counts[..two]);
        node.separators[one - 1] = separator;
        node.separators[one..one + two - 1].copy_from_slice(&gone.separators[..two - 1]);
        node.len += two as u8;
        let count = node.sum(one + two) as u32;
        gone.children[..two].iter().for_each(|&child| self.set_parent(level - 1, child, first));
        let above = self.nodes.own(parent);
        above.cut(left + 1, left + 2);
        above.counts[left] = count;
        if above.len() > 0 {
            self.join(parent);
        }
    }

    /// Cuts off all pages between two, which are different and stay. What is cut off is given back
    /// by [`Tree::settle`].
    pub fn cut_between(&mut self, first: u32, last: u32) {
        self.pages.own(first).next = last;
        self.pages.own(last).prev = first;
        let (mut left, mut right) = (first, last);
        let mut level = 0;
        loop {
            let (up_left, up_right) = match level {
                0 => (self.pages.get(left).parent, self.pages.get(right).parent),
                _ => (self.nodes.get(left).parent, self.nodes.get(right).parent),
            };
            let behind = self.nodes.get(up_left).position(left) + 1;
            let before = self.nodes.get(up_right).position(right);
            let end = self.nodes.get(up_left).len();
            if up_left == up_right {
                self.doom(level, up_left, behind, before);
                break;
            }
            self.doom(level, up_left, behind, end);
            self.doom(level, up_right, 0, before);
            (left, right, level) = (up_left, up_right, level + 1);
        }
        self.recount(first);
        self.recount(last);
        self.lower();
    }

    fn doom(&mut self, level: u8, parent: u32, from: usize, to: usize) {
        let node = self.nodes.own(parent);
        let children = node.children;
        if from < to {
            node.cut(from, to);
            for &child in &children[from..to] {
                self.set_parent(level, child, DOOMED);
                self.doomed.push((level, child));
            }
        }
    }

    /// A page that the index names: None when it was given back, or cut off.
    #[inline]
    pub fn attached(&self, number: u32) -> Option<&Page> {
        let page = self.pages.find(number)?;
        if !self.doomed.is_empty() {
            let mut parent = page.parent;
            while parent != NONE {
                if parent == DOOMED {
                    return None;
                }
                parent = self.nodes.get(parent).parent;
            }
        }
        Some(page)
    }

    /// Whether nothing is left to be given back.
    #[inline]
    pub fn is_settled(&self) -> bool {
        self.doomed.is_empty() && self.pages.is_settled()
    }

    /// Gives back some of what was cut off.
    pub fn settle(&mut self, mut steps: usize) {
        while steps > 0
            && let Some((level, number)) = self.doomed.pop()
        {
            steps -= 1;
            if level == 0 {
                self.pages.remove(number);
            } else {
                let node = self.nodes.remove(number);
                for &child in &node.children[..node.len()] {
                    self.set_parent(level - 1, child, DOOMED);
                    self.doomed.push((level - 1, child));
                }
            }
        }
        if self.doomed.is_empty() {
            self.doomed = Vec::new();
        }
        self.nodes.settle(steps);
        self.pages.settle(steps);
    }

    /// Checks every invariant. For tests.
    #[cfg(test)]
    pub fn check(&self) {
        let mut last = NONE;
        let mut walked = 0;
        self.check_below(self.height, self.root, NONE, &mut last, &mut walked);
        assert_eq!(walked, self.len);
        assert_eq!(self.pages.get(last).next, NONE);
    }

    #[cfg(test)]
    fn check_below(&self, level: u8, number: u32, parent: u32, last: &mut u32, walked: &mut usize) {
        if level == 0 {
            let page = self.pages.get(number);
            assert!(page.parent == parent && page.prev == *last);
            assert!(page.len() > 0 || self.len == 0);
            if *last != NONE {
                let before = self.pages.get(*last);
                assert_eq!(before.next, number);
                let (a, b) = (before.entry(before.len() - 1), page.entry(0));
                assert!(super::super::order((a.1, a.0), (b.1, b.0)).is_lt());
            }
            let all: Vec<_> = page.entries(0).collect();
            assert_eq!(all.len(), page.len());
            for pair in all.windows(2) {
                assert!(
                    super::super::order((pair[0].1, pair[0].0), (pair[1].1, pair[1].0)).is_lt()
                );
            }
            *walked += page.len();
            *last = number;
            return;
        }
        let node = self.nodes.get(number);
        assert!(node.parent == parent && node.level == level && node.len() > 0);
        for at in 0..node.len() {
            let before = *walked;
            self.check_below(level - 1, node.children[at], number, last, walked);
            assert_eq!(node.counts[at] as usize, *walked - before, "level {level}");
            if at > 0 {
                let first = self.edge(node.children[at], level - 1, false);
                let last = self.edge(node.children[at - 1], level - 1, true);
                let last = self.pages.get(last);
                let separator = node.separators[at - 1];
                assert!(last.score(last.len() - 1) <= separator);
                assert!(separator <= self.pages.get(first).score(0));
            }
        }
    }
}
