//! Sparse and dense sketches hold the registers that a plain array does.

use super::*;

fn registers_of(bytes: &[u8]) -> Registers {
    let mut registers = Registers::default();
    merge(bytes, &mut registers).unwrap();
    registers
}

#[test]
fn registers_agree_with_an_array_through_both_forms() {
    let mut random = fastrand::Rng::with_seed(11);
    for round in 0..40 {
        let (mut sketch, mut model) = (empty(), [0u8; REGISTERS]);
        let near = [4, 50, 1000, REGISTERS][round % 4];
        for _ in 0..1200 {
            let (register, rank) =
                (random.usize(..near), random.u8(1..=if round % 5 == 0 { 51 } else { 9 }));
            let lower = model[register] < rank;
            model[register] = model[register].max(rank);
            assert_eq!(raise(&mut sketch, register, rank, 700), Ok(lower));
        }
        assert!(registers_of(&sketch).iter().eq(model));
        let estimated = estimate(&sketch);
        assert_eq!(estimated, Ok(estimate_of(&registers_of(&sketch))));
        let mut dense = sketch.clone();
        make_dense(&mut dense).unwrap();
        assert!(form(&dense) == Some(Form::Dense) && registers_of(&dense).iter().eq(model));
        assert_eq!(estimate(&dense), estimated);
        for (register, rank) in model.iter().enumerate() {
            assert_eq!(dense::get(&dense[HEADER_BYTES..], register), *rank);
        }
    }
}

#[test]
fn estimates_are_near_the_number_of_elements() {
    let mut sketch = empty();
    for n in 0..200_000u32 {
        let (register, rank) = place_of(&n.to_le_bytes());
        raise(&mut sketch, register, rank, 3000).unwrap();
        if [10, 100, 1000, 10_000, 100_000].contains(&(n + 1)) {
            let (wanted, seen) = (f64::from(n + 1), estimate(&sketch).unwrap() as f64);
            assert!((seen - wanted).abs() <= wanted * 0.03 + 1.0, "{seen} of {wanted}");
        }
    }
}

#[test]
fn damaged_runs_are_refused_and_never_read_beyond() {
    let mut random = fastrand::Rng::with_seed(12);
    let mut sketch = empty();
    for n in 0..300u32 {
        let (register, rank) = place_of(&n.to_le_bytes());
        raise(&mut sketch, register, rank, 3000).unwrap();
    }
    assert_eq!(estimate(&sketch[..sketch.len() - 1]), Err(Damaged));
    for _ in 0..20_000 {
        let mut damaged = sketch.clone();
        let at = random.usize(HEADER_BYTES..damaged.len());
        damaged[at] = random.u8(..);
        damaged.truncate(random.usize(HEADER_BYTES..=damaged.len()));
        let whole = estimate(&damaged).is_ok();
        assert!(!whole || merge(&damaged, &mut Registers::default()).is_ok());
        let _ = raise(&mut damaged, random.usize(..REGISTERS), random.u8(1..=51), 3000);
    }
}
