//! The smallest stream that still shows a difference: delta debugging (Zeller and Hildebrandt,
//! "Simplifying and Isolating Failure-Inducing Input", 2002) over commands, then arguments.

use crate::families::scripting;
use crate::stream::{Command, Step};
use crate::{deadline, wait};

/// Removes steps and simplifies arguments in turn, since a command that matters at first may do
/// nothing once its arguments are plain.
pub fn stream(mut all: Vec<Step>, fails: &mut dyn FnMut(&[Step]) -> bool) -> Vec<Step> {
    loop {
        let fewer = steps(all, fails);
        let count = fewer.len();
        all = arguments(fewer, fails);
        let without = steps(all.clone(), fails);
        if without.len() == count {
            return all;
        }
        all = without;
    }
}

/// Removes parts of `steps` while `fails` holds for the rest, until no single step can go.
pub fn steps(mut steps: Vec<Step>, fails: &mut dyn FnMut(&[Step]) -> bool) -> Vec<Step> {
    let mut parts = 2;
    while steps.len() > 1 {
        let size = steps.len().div_ceil(parts);
        let smaller = (0..steps.len()).step_by(size).rev().find_map(|from| {
            let to = (from + size).min(steps.len());
            let rest = [&steps[..from], &steps[to..]].concat();
            fails(&rest).then_some(rest)
        });
        match smaller {
            Some(rest) => {
                steps = rest;
                parts = (parts - 1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(steps.len()),
        }
    }
    steps
}

/// Removes and simplifies arguments while `fails` holds.
pub fn arguments(mut steps: Vec<Step>, fails: &mut dyn FnMut(&[Step]) -> bool) -> Vec<Step> {
    let mut again = true;
    while again {
        again = false;
        for i in 0..steps.len() {
            while let Some(simpler) = simpler_step(&steps, i, fails) {
                steps[i] = simpler;
                again = true;
            }
        }
    }
    steps
}

fn simpler_step(steps: &[Step], i: usize, fails: &mut dyn FnMut(&[Step]) -> bool) -> Option<Step> {
    let Step::Send(command) = &steps[i] else { return None };
    let mut attempt = steps.to_vec();
    simpler_commands(command).into_iter().map(Step::Send).find(|simpler| {
        attempt[i] = simpler.clone();
        fails(&attempt)
    })
}

/// Variants of a command that are shorter or plainer, in one place each. Each is smaller by a
/// measure that no variant increases, so simplifying ends.
fn simpler_commands(command: &Command) -> Vec<Command> {
    let mut variants = Vec::new();
    for at in 1..command.args.len() {
        let mut shorter = command.clone();
        shorter.args.remove(at);
        variants.push(shorter);
    }
    for (at, arg) in command.args.iter().enumerate() {
        let mut plainer = vec![arg.to_ascii_uppercase()];
        if at > 0 {
            plainer = vec![b"a".to_vec(), b"1".to_vec()];
            plainer.push(arg[..arg.len() / 2].to_vec());
            plainer.push(arg[arg.len() / 2..].to_vec());
            plainer.push(arg[arg.len().min(1)..].to_vec());
            plainer.push(arg[..arg.len().saturating_sub(1)].to_vec());
        }
        for text in plainer.into_iter().filter(|text| rank(text) < rank(arg)) {
            let mut variant = command.clone();
            variant.args[at] = text;
            variants.push(variant);
        }
    }
    variants.retain(|variant| !variant.name().is_empty() && is_settled(variant));
    variants
}

/// Whether a command does the same now and a little later, and waits for a moment at most.
fn is_settled(command: &Command) -> bool {
    let alone = |command: &Command| deadline::is_settled(command) && wait::is_settled(command);
    alone(command) && scripting::inner(command).is_none_or(|inner| alone(&inner))
}

/// Shorter is simpler, then what is plain.
fn rank(text: &[u8]) -> (usize, usize) {
    let odd = text.iter().filter(|b| !b.is_ascii_digit() && !b.is_ascii_uppercase()).count();
    let is_plain = text == b"a" || text == b"1";
    (text.len(), if is_plain { 0 } else { 1 + odd })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(lines: &[&str]) -> Vec<Step> {
        lines.iter().map(|line| Step::Send(Command::new(line.split(' ')))).collect()
    }

    fn numbers(steps: &[Step]) -> Vec<u64> {
        let number = |step: &Step| match step {
            Step::Sleep(ms) => *ms,
            Step::Send(_) => 0,
        };
        steps.iter().map(number).collect()
    }

    #[test]
    fn only_the_guilty_steps_are_left() {
        let all: Vec<Step> = (0..1000).map(Step::Sleep).collect();
        let mut runs = 0;
        let left = steps(all, &mut |steps| {
            runs += 1;
            [3, 500, 999].iter().all(|n| numbers(steps).contains(n))
        });
        assert_eq!(numbers(&left), [3, 500, 999]);
        assert!(runs < 300, "{runs} runs");
    }

    #[test]
    fn what_became_plain_is_removed() {
        // Neither of the outer two can go while the other has its argument.
        let found = stream(&["SELECT 1", "APPEND k", "SWAPDB 1", "STRLEN k"]);
        let left = super::stream(found, &mut |steps| {
            let find = |name| {
                steps.iter().find_map(|step| match step {
                    Step::Send(command) if command.is(name) => Some(command.args.len()),
                    _ => None,
                })
            };
            let (select, swap) = (find("select"), find("swapdb"));
            find("strlen").is_some()
                && find("append").is_some()
                && (select.is_some() || swap != Some(2))
                && (swap.is_some() || select != Some(2))
        });
        assert_eq!(left, stream(&["APPEND", "STRLEN"]));
    }

    #[test]
    fn a_single_step_stays() {
        let left = steps(vec![Step::Sleep(1)], &mut |_| true);
        assert_eq!(left.len(), 1);
    }

    #[test]
    fn arguments_become_few_and_plain() {
        let found = stream(&["append longer-key some-value junk", "StrLen longer-key"]);
        let left = arguments(found, &mut |steps| match steps {
            [Step::Send(append), Step::Send(strlen)] => {
                append.is("append")
                    && strlen.is("strlen")
                    && append.args.len() > 2
                    && append.args[1] == strlen.args.get(1).cloned().unwrap_or_default()
                    && append.args[2].contains(&b'v')
            }
            _ => false,
        });
        assert_eq!(left, stream(&["APPEND longer-key v", "STRLEN longer-key"]));
    }

    #[test]
    fn deadlines_stay_settled() {
        let found = stream(&["SET k v EX 20010"]);
        let left = arguments(found, &mut |steps| match &steps[0] {
            Step::Send(set) => set.args.len() == 5,
            Step::Sleep(_) => false,
        });
        let Step::Send(set) = &left[0] else { panic!("{left:?}") };
        assert!(deadline::is_settled(set), "{set:?}");
    }
}
