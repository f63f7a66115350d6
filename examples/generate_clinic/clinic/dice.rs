//! Random numbers that are the same on every machine and with every release of the `rand` crates.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// A seeded source of choices.
pub(super) struct Dice {
    random: ChaCha8Rng,
    defects: bool,
}

impl Dice {
    /// `stream` keeps the choices of one source apart from another's; without `defects`, [`Self::spoils`] is never true.
    pub(super) fn new(seed: u64, stream: u64, defects: bool) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream);
        Self { random, defects }
    }

    /// A number from 0 to `end - 1`. The bias of the multiplication is below 2⁻³² × `end`.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        ((u64::from(self.random.next_u32()) * u64::from(end)) >> 32) as u32
    }

    /// A number from `first` to `last`.
    pub(super) fn within(&mut self, first: u32, last: u32) -> u32 {
        first + self.below(last - first + 1)
    }

    /// True in so many of a thousand cases.
    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < per_mille
    }

    /// Whether to make a defect here: true in so many of a thousand cases, never in a clean export.
    pub(super) fn spoils(&mut self, per_mille: u32) -> bool {
        self.chance(per_mille) && self.defects
    }

    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u32) as usize]
    }

    pub(super) fn word(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len() as u32) as usize]
    }
}
