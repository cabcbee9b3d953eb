//! What the kernel says of a process and its children: CPU, memory, open files, threads. Knows no server.

use std::path::Path;

/// CPU in nanoseconds, user and system, over all threads that live: the first field of `schedstat`.
pub(crate) fn cpu_ns(pid: u32) -> u64 {
    let of_thread = |task: &Path| -> u64 {
        let text = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
    };
    family(pid).iter().flat_map(|pid| tasks(*pid)).map(|task| of_thread(&task)).sum()
}

/// Resident memory, in KiB.
pub(crate) fn rss_kib(pid: u32) -> u64 {
    let of_one = |pid: &u32| -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    family(pid).iter().map(of_one).sum()
}

/// Open files.
pub(crate) fn files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Threads.
pub(crate) fn threads(pid: u32) -> usize {
    tasks(pid).len()
}

/// The process and its children: nginx is a master and a worker.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    for task in tasks(pid) {
        let text = std::fs::read_to_string(task.join("children")).unwrap_or_default();
        all.extend(text.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    all
}

fn tasks(pid: u32) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task"));
    entries.map(|entries| entries.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}
