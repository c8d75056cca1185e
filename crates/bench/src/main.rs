//! The side-by-side benchmark: Redstart against a real redis-server on this machine.
//!
//! The idea: one server at a time, alone on one core; the load alone on another; what a server
//! costs is read from the kernel's accounts of its CPU time, which is steadier than throughput and
//! does not depend on which side was the limit. Every reply is counted and samples are compared
//! byte by byte, so that a fast wrong answer is a failure and not a record.
//!
//! The life of a figure: `plan` says what is run, `lines` what the throughput tables hold, `strip`
//! keeps requests that were rendered beforehand and the replies that they must get, `server` starts
//! a process, `load` drives it, `histogram` keeps the latencies, and `report` sets medians beside
//! the bars. `memory`, `stall`, `expiry`, `workers`, `scripts`, `patterns`, `publish`, `big`,
//! `log`, `snapshot`, `hits`, `scale`, `tls`, `encryption`, `eviction`, `floor`, `toolkit` and
//! `memcached` are the groups that need more than a load.
//!
//! Deliberately absent: a remote load (loopback keeps the network out of the figures), an open loop
//! (the question here is cost per operation), and tests that assert a time. Linux only: epoll, CPU
//! affinity and `/proc` carry the measurement.

#[cfg(target_os = "linux")]
mod harness;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    harness::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("redstart-bench needs Linux: it reads CPU time and resident memory from /proc");
    std::process::ExitCode::FAILURE
}
