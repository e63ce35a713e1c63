//! Figures: what was measured, beside its yardstick and its target.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::machine::Machine;

/// One measured value.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) what: String,
    /// The value.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// The same on a foreign system, in this run, on this machine.
    pub(crate) yardstick: Option<Yardstick>,
    /// What it should be.
    pub(crate) target: Option<Target>,
}

/// The value to compare with.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Yardstick {
    /// What was measured there.
    pub(crate) what: &'static str,
    /// In the unit of the figure.
    pub(crate) value: f64,
}

/// What a figure should be.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Target {
    /// The value, in its unit.
    AtLeast(f64),
    /// The value, in its unit.
    AtMost(f64),
    /// Value over yardstick.
    RatioAtLeast(f64),
    /// Value over yardstick.
    RatioAtMost(f64),
}

impl Figure {
    pub(crate) fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        let what = what.into();
        Self {
            what,
            value,
            unit,
            yardstick: None,
            target: None,
        }
    }

    pub(crate) fn beside(mut self, what: &'static str, value: f64) -> Self {
        self.yardstick = Some(Yardstick { what, value });
        self
    }

    pub(crate) fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    fn ratio(&self) -> Option<f64> {
        let yardstick = self.yardstick.as_ref()?;
        (yardstick.value > 0.0).then(|| self.value / yardstick.value)
    }

    /// Whether the target is met; nothing without a target or its yardstick.
    fn met(&self) -> Option<bool> {
        match self.target? {
            Target::AtLeast(least) => Some(self.value >= least),
            Target::AtMost(most) => Some(self.value <= most),
            Target::RatioAtLeast(least) => self.ratio().map(|ratio| ratio >= least),
            Target::RatioAtMost(most) => self.ratio().map(|ratio| ratio <= most),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(value) => write!(f, ">= {}", rounded(*value)),
            Self::AtMost(value) => write!(f, "<= {}", rounded(*value)),
            Self::RatioAtLeast(ratio) => write!(f, ">= {ratio} times"),
            Self::RatioAtMost(ratio) => write!(f, "<= {ratio} times"),
        }
    }
}

/// All figures of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    /// Load average of one minute when the run ended: its own load included.
    load_at_end: f64,
    figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn begin(machine: Machine) -> Self {
        println!("{machine}");
        Self {
            machine,
            load_at_end: 0.0,
            figures: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, figure: Figure) {
        println!(
            "  {}: {} {}",
            figure.what,
            rounded(figure.value),
            figure.unit
        );
        self.figures.push(figure);
    }

    pub(crate) fn end(&mut self, load: f64) {
        self.load_at_end = load;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        table.set_header([
            "what",
            "value",
            "unit",
            "yardstick",
            "ratio",
            "target",
            "met",
        ]);
        for figure in &self.figures {
            let yardstick = figure.yardstick.as_ref();
            let yardstick = yardstick.map(|one| format!("{} {}", one.what, rounded(one.value)));
            let target = figure.target.map(|target| target.to_string());
            let met = figure.met().map(|met| if met { "yes" } else { "no" });
            table.add_row([
                figure.what.clone(),
                rounded(figure.value),
                figure.unit.to_owned(),
                yardstick.unwrap_or_default(),
                figure
                    .ratio()
                    .map(|ratio| format!("{ratio:.2}"))
                    .unwrap_or_default(),
                target.unwrap_or_default(),
                met.unwrap_or_default().to_owned(),
            ]);
        }
        for column in [1, 4] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        write!(f, "\n{}\n\n{table}", self.machine)
    }
}

/// Three significant digits, thousands set apart.
fn rounded(value: f64) -> String {
    if value.abs() < 100.0 {
        let digits = if value.abs() < 1.0 { 3 } else { 2 };
        return format!("{value:.digits$}");
    }
    let whole = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The value below which `share` of the sorted values lie (nearest rank).
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to len
    let rank = (share * sorted.len() as f64).ceil() as usize;
    let at = rank.clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), 50.0);
        assert_eq!(quantile(&values, 0.99), 99.0);
        assert_eq!(quantile(&values, 1.0), 100.0);
        assert_eq!(quantile(&[7.0], 0.5), 7.0);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_target_is_judged_against_value_or_ratio() {
        let figure = |target| {
            Figure::new("x", 10.0, "/s")
                .beside("y", 20.0)
                .target(target)
        };
        assert_eq!(figure(Target::AtLeast(10.0)).met(), Some(true));
        assert_eq!(figure(Target::AtMost(9.0)).met(), Some(false));
        assert_eq!(figure(Target::RatioAtLeast(0.6)).met(), Some(false));
        assert_eq!(figure(Target::RatioAtMost(0.6)).met(), Some(true));
        let alone = Figure::new("x", 10.0, "/s").target(Target::RatioAtLeast(1.0));
        assert_eq!(alone.met(), None);
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(rounded(1_234_567.8), "1,234,568");
        assert_eq!(rounded(123.4), "123");
        assert_eq!(rounded(12.345), "12.35");
        assert_eq!(rounded(0.1234), "0.123");
    }
}
