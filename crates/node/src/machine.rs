//! What this machine has.

/// Cores of this machine, as far as this process may use them.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Files that the node itself has open besides connections: sled's, the watermark, logs.
const OWN_FILES: u64 = 128;

/// Allows this process as many open files as the system lets it, and answers how many
/// connections that leaves room for, at most `wanted`. Without room the store could not open
/// its files any more, and a flood of connections would end the node.
#[cfg(unix)]
pub(crate) fn connections(wanted: u32) -> u32 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "the limit of open files could not be raised");
            limit = getrlimit(Resource::Nofile);
        }
    }
    let Some(files) = limit.current else {
        return wanted;
    };
    let room = u32::try_from(files.saturating_sub(OWN_FILES)).unwrap_or(u32::MAX);
    if room < wanted {
        tracing::warn!(
            open_files_max = files,
            wanted,
            taken = room.max(1),
            "the system's limit of open files leaves room for fewer connections than \
             http.connections_max; raise it (ulimit -n, LimitNOFILE)"
        );
    }
    wanted.min(room.max(1))
}

/// As many connections as wanted: other systems have no such limit to raise.
#[cfg(not(unix))]
pub(crate) fn connections(wanted: u32) -> u32 {
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn connections_leave_room_for_the_stores_files() {
        use rustix::process::{Resource, getrlimit};
        assert_eq!(connections(1), 1);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum, "it was raised");
        let files = limit.current.unwrap_or(u64::MAX);
        assert!(u64::from(connections(u32::MAX)) <= files.saturating_sub(OWN_FILES).max(1));
    }
}
