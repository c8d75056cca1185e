//! Memory: eviction under `maxmemory`, and freeing what is large off the path of a request.

pub mod evict;
pub mod reclaim;
