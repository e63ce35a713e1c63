//! Labels in the order in which they were asked for.

use std::collections::HashMap;

use super::Blank;

/// RDFC-1.0 section 4.5, "Issue Identifier": numbers of blank nodes, from 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Issuer {
    numbers: HashMap<Blank, usize>,
    order: Vec<Blank>,
}

impl Issuer {
    pub(super) fn number(&self, blank: Blank) -> Option<usize> {
        self.numbers.get(&blank).copied()
    }

    pub(super) fn issue(&mut self, blank: Blank) -> usize {
        *self.numbers.entry(blank).or_insert_with(|| {
            self.order.push(blank);
            self.order.len() - 1
        })
    }

    /// Whoever has a number, in the order of the numbers.
    pub(super) fn order(&self) -> &[Blank] {
        &self.order
    }
}
