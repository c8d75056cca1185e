//! How commands of scripts are counted and measured.

use crate::support::Worker;
use redstart_scripting::Existing;
use redstart_scripting::host::Measuring;

/// A worker whose clock passes by so much at each reading, in nanoseconds.
fn worker(step_ns: u64) -> Worker {
    let worker = Worker::new();
    worker.host.step_ns.set(step_ns);
    worker
}

#[test]
fn a_command_that_may_take_long_is_measured_each_time() {
    let mut worker = worker(100);
    worker.eval("redis.call('rpush', 'l', 1) for i = 1, 5 do redis.call('sort', 'l') end");
    assert_eq!(worker.counted("sort"), (5, 500));
    worker.eval("redis.call('pause', 3) redis.call('pause', 5)");
    assert_eq!(worker.counted("pause"), (2, 8_000_200));
}

#[test]
fn of_short_commands_every_seventh_stands_for_the_others() {
    let mut worker = worker(100);
    worker.eval("for i = 1, 14 do redis.call('get', 'k') redis.call('set', 'k', 1) end");
    assert_eq!([worker.counted("get"), worker.counted("set")], [(14, 1400); 2]);
    // Two of each, by two readings.
    assert_eq!(worker.host.readings.get(), 8);
    worker.host.step_ns.set(300);
    worker.eval("for i = 1, 7 do redis.call('get', 'k') end");
    assert_eq!(worker.counted("get"), (21, 1400 + 7 * 300));
}

#[test]
fn each_command_is_measured_where_the_host_wants_to_hear_of_short_ones() {
    let mut worker = worker(100);
    let measuring = Measuring { slow_ns: 100, precisely: true, histograms: true };
    worker.host.measuring.set(measuring);
    worker.eval("for i = 1, 3 do redis.call('get', 'k') end");
    assert_eq!(worker.counted("get"), (3, 300));
    assert_eq!(worker.lines(), ["slow get k 100"; 3]);
    worker.host.measuring.set(Measuring { slow_ns: 101, ..measuring });
    worker.eval("redis.call('get', 'k')");
    assert_eq!(worker.lines(), [""; 0]);
}

#[test]
fn what_lua_does_is_not_the_commands_time() {
    let mut worker = worker(0);
    let measuring = Measuring { precisely: true, ..Measuring::default() };
    worker.host.measuring.set(measuring);
    // Reading the clock is all that moves it: here only the watchdog does, in loops.
    worker.host.step_ns.set(1);
    worker.eval("for i = 1, 64000 do end redis.call('get', 'k')");
    assert!(worker.host.now_ns.get() > 1_000_001_000);
    assert_eq!(worker.counted("get"), (1, 1));
}

#[test]
fn histograms_are_kept_where_the_host_wants_them() {
    let mut worker = worker(1000);
    let sums = |worker: &Worker| {
        let mut sums = vec![0; redstart_engine::stats::BUCKETS];
        let id = worker.parts.registry.get(b"get").unwrap().id as usize;
        worker.local.stats.times[id].sum_into(&mut sums);
        sums.iter().sum::<u64>()
    };
    worker.host.measuring.set(Measuring { histograms: false, ..Measuring::default() });
    worker.eval("for i = 1, 9 do redis.call('get', 'k') end");
    assert_eq!(sums(&worker), 0);
    worker.host.measuring.set(Measuring::default());
    worker.eval("for i = 1, 9 do redis.call('get', 'k') end");
    assert_eq!(sums(&worker), 9);
}

#[test]
fn commands_of_functions_and_under_locks_count_as_well() {
    let mut worker = worker(100);
    let code = "#!lua name=l\nredis.register_function('f', function() redis.call('sort', 'l') end)";
    worker.load(code, Existing::Keep).unwrap();
    worker.call("f", &[], &[]);
    worker.holds = true;
    worker.call("f", &[], &[]);
    worker.eval("redis.call('sort', 'l')");
    assert_eq!(worker.counted("sort"), (3, 300));
}

#[test]
fn a_command_that_fails_is_counted_and_one_that_is_refused_is_not() {
    let mut worker = worker(100);
    worker.eval("redis.call('rpush', 'l', 1) redis.pcall('get', 'l') redis.pcall('get')");
    assert_eq!(worker.counted("get"), (1, 100));
    let id = worker.parts.registry.get(b"get").unwrap().id as usize;
    assert_eq!(worker.local.stats.times[id].failed.value(), 1);
}
