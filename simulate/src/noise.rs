//! Random numbers that depend on the seed and on what they are for.
//!
//! Promises: every part of a campaign draws from a stream of its own, so that
//! a further flight or satellite changes nothing of the others.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014).
#[derive(Debug, Clone)]
pub(crate) struct Noise(u64);

impl Noise {
    /// The stream of one part of a campaign, such as the engines of flight 3.
    pub(crate) fn new(seed: u64, part: &str, number: u32) -> Noise {
        // FNV-1a of the name, then one draw for each of the other two.
        let name = part.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        let mut mixed = Noise(seed);
        let mut mixed = Noise(mixed.next_u64() ^ name);
        let mut mixed = Noise(mixed.next_u64() ^ u64::from(number));
        Noise(mixed.next_u64())
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal with mean 0 and deviation 1: the sum of four uniforms of
    /// 16 bits (Irwin and Hall), cut at 3.46 deviations. Needs no logarithm.
    pub(crate) fn gauss(&mut self) -> f64 {
        let bits = self.next_u64();
        let sum = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48);
        (sum as f64 / 65_535.0 - 2.0) * 1.732_050_807_568_877_2
    }

    /// A factor within the given share of 1.
    pub(crate) fn around(&mut self, share: f64) -> f64 {
        1.0 + share * (2.0 * self.uniform() - 1.0)
    }

    /// Whether an event of that probability happens.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_part_and_number() {
        let first = |seed, part, number| Noise::new(seed, part, number).next_u64();
        let streams = [
            first(1, "engine", 1),
            first(2, "engine", 1),
            first(1, "tank", 1),
            first(1, "engine", 2),
        ];
        for (at, stream) in streams.iter().enumerate() {
            assert!(!streams[..at].contains(stream));
        }
        assert_eq!(streams[0], first(1, "engine", 1));
    }

    #[test]
    fn gauss_has_mean_0_and_deviation_1() {
        let mut noise = Noise::new(7, "test", 0);
        let draws: Vec<f64> = (0..100_000).map(|_| noise.gauss()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let square = draws.iter().map(|x| x * x).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((square - 1.0).abs() < 0.02, "{square}");
    }
}
