//! What the log gives back after a crash is a beginning of what happened, and no shorter than
//! what was acknowledged; what is damaged is found.

use bytes::Bytes;
use redstart_engine::run::effect::{Effect, Sink};
use redstart_persistence::ReadError;
use redstart_persistence::log::{End, Log, SegmentReader, Start, State, decode};
use redstart_persistence::names::{Plan, segment};
use redstart_persistence::storage::Storage;
use redstart_persistence::storage::memory::{Faults, Memory};

const PREFIX: &str = "appendonly";

fn start(storage: &dyn Storage) -> Start<'_> {
    Start { storage, prefix: PREFIX }
}

/// The unit that record `sequence` holds.
fn unit(sequence: u64) -> Vec<Effect> {
    let text = |n: u64| Bytes::from(format!("{}-{n}", "x".repeat((sequence % 7) as usize * 9)));
    let effect =
        |n| Effect { db: (n % 3) as usize, args: vec!["SET".into(), text(n), text(n + 1)] };
    (0..sequence % 3 + 1).map(|n| effect(sequence * 10 + n)).collect()
}

fn append(log: &Log) {
    log.append(&unit(log.appended() + 1));
}

/// Reads the whole log and asserts that each record holds what it held. Returns the last one.
fn read(storage: &dyn Storage) -> Result<u64, ReadError> {
    let plan = Plan::of(PREFIX, &storage.list()?);
    let mut next = plan.segments.first().copied().unwrap_or(1);
    for (at, &first) in plan.segments.iter().enumerate() {
        assert_eq!(first, next, "a hole between segments");
        let mut reader = SegmentReader::open(storage, &segment(PREFIX, first), first)?;
        let mut payload = Vec::new();
        loop {
            match reader.next_record(&mut payload)? {
                Ok(sequence) => {
                    let wanted = unit(sequence);
                    let found = decode(&payload).expect("the checksum was right");
                    assert_eq!(found.len(), wanted.len());
                    for ((db, words), effect) in found.iter().zip(&wanted) {
                        assert_eq!((*db, words.len()), (effect.db, effect.args.len()));
                        assert!(words.iter().zip(&effect.args).all(|(word, arg)| word == arg));
                    }
                }
                Err(End::Whole) => break,
                Err(End::Torn(fault, _)) if at + 1 < plan.segments.len() => {
                    return Err(fault.into());
                }
                Err(End::Torn(..)) => break,
            }
        }
        next = reader.next_sequence();
    }
    Ok(next - 1)
}

#[test]
fn a_crash_leaves_a_beginning_that_holds_what_was_safe() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let storage = Memory::default();
        let log = Log::default();
        log.rotate(&start(&storage)).expect("memory does not fail");
        for _ in 0..random.usize(..60) {
            match random.u32(..12) {
                0..7 => append(&log),
                7..9 => log.write_out(log.appended()).expect("memory does not fail"),
                9..11 => log.sync().expect("memory does not fail"),
                _ => drop(log.rotate(&start(&storage)).expect("memory does not fail")),
            }
        }
        assert_eq!(read(&storage).unwrap(), log.written(), "seed {seed}: a killed process");
        let last = read(&storage.crash(&mut random)).unwrap();
        assert!((log.synced()..=log.written()).contains(&last), "seed {seed}: a power cut");
    }
}

#[test]
fn nothing_is_acknowledged_that_a_failing_disk_does_not_hold() {
    let mut random = fastrand::Rng::with_seed(1);
    for at in 1..60 {
        for syncs_only in [false, true] {
            let storage = Memory::default();
            let log = Log::default();
            log.rotate(&start(&storage)).expect("memory does not fail yet");
            let before = storage.operations();
            storage.set_faults(Faults { at: Some(before + at), syncs_only, ..Faults::default() });
            let (mut written, mut synced) = (0, 0);
            for step in 0..40 {
                append(&log);
                let mark = log.appended();
                if log.write_out(mark).is_ok() {
                    written = mark;
                    if log.sync().is_ok() {
                        synced = mark;
                    }
                }
                if step % 13 == 12 {
                    let _ = log.rotate(&start(&storage));
                }
                if step == 30 {
                    let _ = log.retry();
                }
            }
            assert!(read(&storage).unwrap() >= written, "fault {at}");
            assert!(read(&storage.crash(&mut random)).unwrap() >= synced, "fault {at}");
            if let State::Broken(_) = log.state() {
                assert!(log.write_out(u64::MAX).is_err());
            }
        }
    }
}

#[test]
fn a_full_disk_is_waited_for() {
    let storage = Memory::default();
    let log = Log::default();
    log.rotate(&start(&storage)).expect("memory does not fail yet");
    storage.set_faults(Faults { space: Some(400), ..Faults::default() });
    let mut acknowledged = 0;
    for _ in 0..50 {
        append(&log);
        if log.write_out(log.appended()).is_ok() {
            acknowledged = log.appended();
        }
    }
    assert!(matches!(log.state(), State::Unwritten(_)));
    assert_eq!(read(&storage).unwrap(), acknowledged);
    assert!(log.retry().is_err());
    storage.set_faults(Faults::default());
    log.retry().expect("there is space again");
    assert_eq!((log.state(), log.written()), (State::Fine, 50));
    assert_eq!(read(&storage).unwrap(), 50);
}

#[test]
fn a_broken_log_goes_on_behind_a_new_base() {
    let storage = Memory::default();
    let log = Log::default();
    log.rotate(&start(&storage)).expect("memory does not fail yet");
    append(&log);
    log.write_out(1).expect("memory does not fail yet");
    let faults =
        Faults { at: Some(storage.operations() + 1), syncs_only: true, ..Faults::default() };
    storage.set_faults(faults);
    assert!(log.sync().is_err());
    append(&log);
    assert!(log.write_out(2).is_err() && log.rotate(&start(&storage)).is_err());
    // A base that holds record 2 has been written.
    log.restart(&start(&storage), 2).expect("memory does not fail any more");
    assert_eq!((log.state(), log.written()), (State::Fine, 2));
    append(&log);
    log.write_out(3).expect("it goes on");
    log.sync().expect("it goes on");
    assert_eq!(read(&storage).unwrap(), 3);
}

/// A segment of six records.
fn small() -> Vec<u8> {
    let storage = Memory::default();
    let log = Log::default();
    log.rotate(&start(&storage)).expect("memory does not fail");
    (0..6).for_each(|_| append(&log));
    log.write_out(6).expect("memory does not fail");
    storage.bytes(&segment(PREFIX, 1)).expect("it was written")
}

#[test]
fn every_cut_leaves_a_beginning() {
    let whole = small();
    let storage = Memory::default();
    let mut last = 0;
    for len in 0..=whole.len() {
        storage.put(&segment(PREFIX, 1), &whole[..len]);
        match read(&storage) {
            Ok(sequence) => {
                assert!(sequence == last || sequence == last + 1);
                last = sequence;
            }
            Err(error) => assert!(len < 28, "cut to {len}: {error}"),
        }
    }
    assert_eq!(last, 6);
}

#[test]
fn no_flipped_bit_changes_what_is_read() {
    let whole = small();
    let storage = Memory::default();
    let mut flipped = whole.clone();
    let mut refused = 0;
    for bit in 0..whole.len() * 8 {
        flipped[bit / 8] ^= 1 << (bit % 8);
        storage.put(&segment(PREFIX, 1), &flipped);
        match read(&storage) {
            // Only the last record can look as if it had never been written whole.
            Ok(sequence) => assert_eq!(sequence, 5, "bit {bit}"),
            Err(_) => refused += 1,
        }
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(refused > whole.len() * 6);
}
