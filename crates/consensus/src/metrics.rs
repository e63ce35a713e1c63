//! The engine's metrics as text.
//!
//! The engine registers its metrics anew in a registry of the process at each start, under a
//! label `moniker`. Here each start has its own moniker: only its lines are kept, without the
//! label, and each family is described once.
//!
//! The engine writes OpenMetrics. In Prometheus' older text format, which a node serves, there
//! are no units, and a counter is described under the name of its sample, `…_total`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

/// A moniker that no other start of an engine in this process has.
pub(crate) fn new_moniker() -> String {
    static STARTS: AtomicU64 = AtomicU64::new(1);
    format!("engine-{}", STARTS.fetch_add(1, Ordering::Relaxed))
}

/// The metrics of one start, in the Prometheus text format.
pub(crate) fn text(moniker: &str) -> String {
    let mut all = String::new();
    arc_malachitebft_app_channel::app::metrics::export(&mut all);
    of_moniker(&all, moniker)
}

fn of_moniker(all: &str, moniker: &str) -> String {
    let label = format!("moniker=\"{moniker}\"");
    let mut described = BTreeSet::new();
    let mut description: Vec<&str> = Vec::new();
    let mut is_sample = true;
    let mut text = String::new();
    for line in all.lines() {
        if line.starts_with("# EOF") {
            continue;
        }
        if line.starts_with('#') {
            if is_sample {
                description.clear();
            }
            is_sample = false;
            description.push(line);
            continue;
        }
        is_sample = true;
        let Some(sample) = without_label(line, &label) else {
            continue;
        };
        for line in description.drain(..) {
            let Some(line) = of_sample(line, sample_name(&sample)) else {
                continue;
            };
            if described.insert(line.clone()) {
                text.push_str(&line);
                text.push('\n');
            }
        }
        text.push_str(&sample);
        text.push('\n');
    }
    text
}

/// Name of the metric that a sample is of.
fn sample_name(sample: &str) -> &str {
    sample.split(['{', ' ']).next().unwrap_or_default()
}

/// A line that describes a metric, as the older format has it before a sample; nothing if it
/// has no such line.
fn of_sample(description: &str, sample: &str) -> Option<String> {
    let counter = sample.strip_suffix("_total");
    let mut words = description.splitn(4, ' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (_, Some("UNIT"), ..) => None,
        (Some(hash), Some(what), Some(name), Some(rest)) if counter == Some(name) => {
            Some(format!("{hash} {what} {sample} {rest}"))
        }
        _ => Some(description.to_owned()),
    }
}

/// The sample without the label, if it has it.
fn without_label(line: &str, label: &str) -> Option<String> {
    let (start, rest) = line.split_once(label)?;
    let (start, rest) = match (start.strip_suffix(','), rest.strip_prefix(',')) {
        (Some(start), _) => (start, rest),
        (None, Some(rest)) => (start, rest),
        (None, None) => (start, rest),
    };
    let line = format!("{start}{rest}");
    Some(line.replacen("{}", "", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lines_of_one_start_are_kept() {
        let all = "# HELP a Things.\n# TYPE a counter\n# UNIT a things\n\
            a_total{moniker=\"engine-1\"} 1\n\
            # HELP a Things.\n# TYPE a counter\n\
            a_total{moniker=\"engine-2\"} 2\n\
            # HELP b Others.\n# TYPE b gauge\n\
            b{moniker=\"engine-2\",peer=\"x\"} 3\nb{moniker=\"engine-2\",peer=\"y\"} 4\n# EOF\n";
        let one = "# HELP a_total Things.\n# TYPE a_total counter\na_total 1\n";
        assert_eq!(of_moniker(all, "engine-1"), one);
        let two = "# HELP a_total Things.\n# TYPE a_total counter\na_total 2\n\
            # HELP b Others.\n# TYPE b gauge\nb{peer=\"x\"} 3\nb{peer=\"y\"} 4\n";
        assert_eq!(of_moniker(all, "engine-2"), two);
        assert_eq!(of_moniker(all, "engine-20"), "");
    }

    #[test]
    fn monikers_differ() {
        assert_ne!(new_moniker(), new_moniker());
    }
}
