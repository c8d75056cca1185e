//! Memory: eviction under `maxmemory`, freeing what is large off the path of a request, and how
//! much was in use.

pub mod evict;
pub mod pool;
pub mod popularity;
pub mod reclaim;
pub mod watermarks;
