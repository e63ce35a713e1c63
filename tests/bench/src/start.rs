//! Start of a node with a million credentials, its memory and its disk.

use crate::Setting;
use crate::figure::{Figure, Report, Target, quantile};
use crate::lookup::{self, Filled, Size};
use crate::node::Node;

const STARTS: usize = 3;

/// Fills a ledger and measures starts.
pub(crate) fn run(setting: &Setting, size: &Size, report: &mut Report) -> anyhow::Result<()> {
    println!("start: {} credentials", size.credentials());
    let filled = lookup::fill(setting, size.credentials())?;
    figures(setting, &filled, report)
}

/// Starts the node of a filled ledger a few times: the median, with a warm page cache.
pub(crate) fn figures(
    setting: &Setting,
    filled: &Filled,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut starts = Vec::new();
    let (mut resident, mut disk) = (0.0_f64, 0);
    for _ in 0..STARTS {
        let node = Node::start(&setting.credlog, &filled.founding)?;
        starts.push(node.start.as_secs_f64());
        resident = resident.max(node.memory()?.resident_mib);
        disk = node.disk_bytes()?;
        node.stop()?;
    }
    starts.sort_by(f64::total_cmp);
    let count = filled.credentials;
    let name = format!("start to ready, {count} credentials");
    let start = Figure::new(name, quantile(&starts, 0.5), "s");
    report.add(start.target(Target::AtMost(3.0)));
    report.add(Figure::new("memory after start (VmRSS)", resident, "MiB"));
    let each = Figure::new(
        "disk a credential, all indexes",
        disk as f64 / count as f64,
        "bytes",
    );
    report.add(each.target(Target::AtMost(400.0)));
    Ok(())
}
