//! Again, after a while, where what failed can pass by itself.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use super::{Failure, interrupt};

/// The longest wait before the first repetition; each further one may be four times as long: a lost packet is over at
/// once, and a server that died has to read its log first.
const FIRST: Duration = Duration::from_secs(1);

/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(60);

/// How often a wait looks whether Ctrl-C was pressed.
const TICK: Duration = Duration::from_millis(100);

/// How often something was done again, and how often it may be.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    most: u32,
    made: u32,
}

/// One repetition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// 1 for the first.
    pub number: u32,
    pub most: u32,
    /// What is waited for to pass: SQLSTATE, or a word where no server answered.
    pub cause: String,
    pub wait: Duration,
}

impl Retries {
    pub fn new(most: u32) -> Self {
        Self { most, made: 0 }
    }

    /// The repetition that is due after this error; none where it cannot pass, a stop was asked for, or all were made.
    pub fn after(&mut self, error: &anyhow::Error) -> Option<Retry> {
        let cause = Failure::from_anyhow(error).passing?;
        if interrupt::requested() || self.made >= self.most {
            return None;
        }
        self.made += 1;
        Some(Retry { number: self.made, most: self.most, cause, wait: wait(self.made, random()) })
    }
}

/// Between half of the longest wait and all of it, so that many who were cut off at once do not come back at once.
fn wait(number: u32, random: f64) -> Duration {
    let longest = FIRST.saturating_mul(1 << (2 * number.saturating_sub(1)).min(16)).min(LONGEST);
    longest.mul_f64(0.5 + random / 2.0)
}

/// From 0 to 1; the seeds of hash tables are random enough to tell two programs apart.
fn random() -> f64 {
    f64::from((RandomState::new().hash_one(0) >> 32) as u32) / f64::from(u32::MAX)
}

/// Waits, unless a stop is asked for.
///
/// # Errors
/// A stop was asked for.
pub fn pause(wait: Duration) -> Result<(), Failure> {
    let end = Instant::now() + wait;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        interrupt::check()?;
        std::thread::sleep(left.min(TICK));
    }
    interrupt::check()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_longest() {
        let seconds = |number| (wait(number, 0.0).as_secs_f64(), wait(number, 1.0).as_secs_f64());
        assert_eq!(
            (1..=4).map(seconds).collect::<Vec<_>>(),
            [(0.5, 1.0), (2.0, 4.0), (8.0, 16.0), (30.0, 60.0)]
        );
        assert_eq!(wait(1000, 1.0), LONGEST);
        assert!((0.0..=1.0).contains(&random()) && random() != random());
    }

    #[test]
    fn only_what_can_pass_is_done_again_and_only_so_often() {
        let passing = || Failure::failed("x").may_pass("57P01").into();
        let mut retries = Retries::new(2);
        assert_eq!(retries.after(&anyhow::anyhow!("disk full")), None);
        assert_eq!(retries.after(&passing()).unwrap().number, 1);
        let second = retries.after(&passing().context("push")).unwrap();
        assert_eq!((second.number, second.most, second.cause.as_str()), (2, 2, "57P01"));
        assert_eq!(retries.after(&passing()), None);
        assert_eq!(Retries::new(0).after(&passing()), None);
    }
}
