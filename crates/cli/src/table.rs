//! Tables for people.

use comfy_table::{ContentArrangement, presets};

/// Rows under a head.
pub(crate) struct Table(comfy_table::Table);

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table
            .load_preset(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(head);
        Self(table)
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.add_row(cells);
    }

    /// The table, or what to say when it has no rows.
    pub(crate) fn text(&self, when_empty: &str) -> String {
        if self.0.is_empty() {
            return when_empty.to_owned();
        }
        let text = self.0.to_string();
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        lines.join("\n")
    }
}
