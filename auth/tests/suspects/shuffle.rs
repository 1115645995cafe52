//! Turns in an order of chance that a seed repeats, and what is in the middle of the samples.

/// SplitMix64, good enough for an order of turns.
pub struct Shuffle(u64);

impl Shuffle {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The numbers below `count`, each once.
    pub fn turns(&mut self, count: usize) -> Vec<usize> {
        let mut turns: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            let chosen = self.next() % (last as u64 + 1);
            turns.swap(last, usize::try_from(chosen).unwrap_or(last));
        }
        turns
    }
}

/// Median, and median of the distances from it.
pub fn spread(samples: &mut [f64]) -> (f64, f64) {
    let middle = median(samples);
    let mut distances: Vec<f64> = samples.iter().map(|one| (one - middle).abs()).collect();
    (middle, median(&mut distances))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
