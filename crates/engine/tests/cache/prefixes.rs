//! Statistics by prefix: hits, and misses by what was before.

use redstart_engine::driver::Driver;
use redstart_engine::keyspace::prefixes::{CAUSES, Cause, Content, Rule};

fn driver(rule: &str) -> Driver {
    let driver = Driver::new(3);
    driver.engine.keyspace.prefixes.set_rule(Rule::parse(rule.as_bytes()).expect("a rule"));
    driver
}

/// Hits and misses of a prefix.
fn counts(driver: &Driver, prefix: &str) -> (u64, [u64; CAUSES]) {
    let all = driver.engine.keyspace.prefixes.all();
    let number = all.iter().position(|(name, _)| **name == *prefix.as_bytes());
    let counts = &driver.stats().prefixes()[number.expect("it was met")];
    (counts.hits.value(), counts.misses.each_ref().map(|count| count.value()))
}

fn content(driver: &Driver, prefix: &str) -> Content {
    let all = driver.engine.keyspace.prefixes.all();
    all.into_iter().find(|(name, _)| **name == *prefix.as_bytes()).expect("it was met").1
}

#[test]
fn a_miss_is_told_by_what_was_before() {
    let mut driver = driver(":");
    driver.count_prefixes();
    for key in ["expired", "deleted", "dropped", "renamed", "there"] {
        driver.line(&format!("SET u:{key} v"));
    }
    driver.line("TAG.ADD u:dropped t");
    driver.line("TAG.DROP t");
    driver.line("PEXPIRE u:expired 10");
    driver.line("DEL u:deleted");
    driver.line("RENAME u:renamed u:there");
    driver.now.mono_ms += 20;
    driver.now.wall_ms += 20;
    for key in ["expired", "deleted", "dropped", "renamed", "there", "never"] {
        driver.line(&format!("GET u:{key}"));
    }
    let mut misses = [1; CAUSES];
    misses[Cause::Evicted as usize] = 0;
    misses[Cause::Deleted as usize] = 2;
    assert_eq!(counts(&driver, "u:"), (1, misses));
    // Several keys are counted each by itself.
    driver.line("MGET u:there v:never u:deleted none");
    misses[Cause::Deleted as usize] = 3;
    assert_eq!(counts(&driver, "u:"), (2, misses));
    assert_eq!(counts(&driver, "v:"), (0, [1, 0, 0, 0, 0]));
    assert_eq!(counts(&driver, ""), (0, [1, 0, 0, 0, 0]));
    // A rule that is taken back counts nothing.
    driver.engine.keyspace.prefixes.set_rule(Rule::Off);
    driver.count_prefixes();
    driver.line("GET u:there");
    assert!(driver.engine.keyspace.prefixes.all().is_empty());
}

#[test]
fn a_walk_finds_what_there_is() {
    let mut driver = driver("a: b");
    for n in 0..300 {
        driver.line(&format!("SET a:{n} v EX {}", 10 + n % 2 * 1000));
        driver.line(&format!("RPUSH bee{n} 1 2 3"));
        driver.line(&format!("SET c{n} v"));
    }
    driver.count_prefixes();
    let found = content(&driver, "a:");
    assert_eq!((found.keys, found.ttls), (300, [0, 0, 150, 150, 0, 0, 0]));
    assert!((300 * 20..300 * 60).contains(&found.bytes), "{}", found.bytes);
    assert_eq!(content(&driver, "b").ttls, [300, 0, 0, 0, 0, 0, 0]);
    assert_eq!(content(&driver, "").keys, 300);
    driver.line("FLUSHALL");
    driver.count_prefixes();
    assert_eq!(content(&driver, "a:").keys, 0);
}
