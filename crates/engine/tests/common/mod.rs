//! What several of these tests look at.

use redstart_engine::driver::Driver;
use redstart_engine::hasher::SHARDS;

/// All entries' bytes, summed, and as the shards count them.
pub fn bytes(driver: &Driver) -> (usize, usize) {
    let mut view = driver.engine.keyspace.lock_all();
    let (mut summed, mut counted) = (0, 0);
    for index in 0..SHARDS {
        for (_, db) in view.shard_at(index).dbs() {
            summed += db.table().iter().map(|entry| entry.allocated()).sum::<usize>();
            counted += db.allocated() - db.overhead();
        }
    }
    (summed, counted)
}
