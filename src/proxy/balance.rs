//! Which of several backends gets a request: the less loaded of two random ones, each drawn by its
//! weight; or, where a session stays with one, the same as before. Pure: weights, loads and chance are
//! handed in. Knows no connection.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What each backend would take now; 0 takes nothing.
pub(super) type Weights = [u64; BACKENDS_MAX];

/// The less loaded of two, in proportion to its weight; none where none takes anything. Where both
/// are loaded alike it is the one drawn first, so that shares are by weight also when all are idle.
pub(super) fn less_loaded(
    weights: &[u64],
    load: impl Fn(usize) -> u64,
    mut below: impl FnMut(u64) -> u64,
) -> Option<usize> {
    let total = weights.iter().sum::<u64>();
    if total == 0 {
        return None;
    }
    let one = drawn(weights, None, below(total))?;
    let rest = total - weights[one];
    if rest == 0 {
        return Some(one);
    }
    let other = drawn(weights, Some(one), below(rest))?;
    let (heavy, light) = (load(one).saturating_mul(weights[other]), load(other).saturating_mul(weights[one]));
    Some(if light < heavy { other } else { one })
}

/// Where a ticket below the sum of the weights falls.
fn drawn(weights: &[u64], but: Option<usize>, mut ticket: u64) -> Option<usize> {
    for (at, weight) in weights.iter().enumerate().filter(|(at, _)| Some(*at) != but) {
        if ticket < *weight {
            return Some(at);
        }
        ticket -= weight;
    }
    None
}

/// The one that a session stays with: of all that take anything the highest by a hash of both, so
/// that a backend that goes takes only its own sessions along, and one that comes takes its share
/// from all (weighted rendezvous). `places` are hashes of the backends.
pub(super) fn home_of(session: u64, places: impl Iterator<Item = (u64, u64)>) -> Option<usize> {
    let scored = places.enumerate().filter(|(_, (_, weight))| *weight > 0).map(|(at, (place, weight))| {
        // Never 0 and never 1, whose logarithms are no score.
        #[allow(clippy::cast_precision_loss, reason = "53 bits of a hash, and weights far below them")]
        let (share, weight) =
            (((mixed(session ^ place) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64, weight as f64);
        (at, weight / -share.ln())
    });
    scored.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(at, _)| at)
}

/// What a backend that came back so long ago takes of its weight, all in thousandths: a tenth at first,
/// all at the end.
pub(super) fn warming(weight: u32, passed_ms: u64, slow_start_ms: u64) -> u64 {
    let whole = u64::from(weight) * 1000;
    if passed_ms >= slow_start_ms {
        return whole;
    }
    // At least one, or it never warms.
    (whole / 10 + whole * 9 / 10 * passed_ms / slow_start_ms).max(u64::from(weight > 0))
}

/// Random enough to spread load, and for nothing else: splitmix64, its seed from the world.
pub(super) struct Dice(AtomicU64);

impl Dice {
    pub(super) const fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A number below `bound`, which is at least 1.
    pub(super) fn below(&self, bound: u64) -> u64 {
        let rolled = mixed(self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed));
        // The high half of the product: even enough, since bounds are far below 2^64.
        u64::try_from((u128::from(rolled) * u128::from(bound)) >> 64).unwrap_or_default()
    }
}

/// Every bit of the number in every bit of the result (the finisher of splitmix64).
const fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// How many tries beyond the first there may be, all requests together: one for every five requests, so
/// that a fleet that is dead is not asked three times as often as one that lives.
pub(super) struct Budget(AtomicU32);

impl Budget {
    pub(super) const fn start() -> Self {
        Self(AtomicU32::new(FULL))
    }

    /// A request came.
    pub(super) fn earn(&self) {
        // Full it mostly is: then nothing is written that other cores read.
        if self.0.load(Ordering::Relaxed) < FULL {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether another try may be had; it is counted.
    pub(super) fn spend(&self) -> bool {
        let less = |left: u32| left.checked_sub(COST);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// Requests that earn one more try.
const COST: u32 = 5;

/// Twenty tries at once: what a backend that is restarted breaks.
const FULL: u32 = 20 * COST;

/// More backends than this a route does not have; what is tried is kept in the bits of one number.
pub(super) const BACKENDS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shares(weights: &[u64], loads: &[u64], rounds: usize) -> Vec<usize> {
        let dice = Dice::seeded(7);
        let mut shares = vec![0; weights.len()];
        for _ in 0..rounds {
            shares[less_loaded(weights, |at| loads[at], |bound| dice.below(bound)).unwrap()] += 1;
        }
        shares
    }

    #[test]
    fn idle_backends_share_by_weight() {
        for (share, wanted) in
            shares(&[3000, 1000, 0, 4000], &[0; 4], 80_000).iter().zip([30_000, 10_000, 0, 40_000])
        {
            assert!(share.abs_diff(wanted) < 800, "{share} of {wanted}");
        }
    }

    #[test]
    fn of_two_the_less_loaded_for_its_weight_is_taken() {
        assert_eq!(shares(&[1, 1], &[5, 4], 100), [0, 100]);
        assert_eq!(shares(&[3, 1], &[5, 2], 100), [100, 0]);
        assert_eq!(shares(&[3, 1], &[7, 2], 100), [0, 100]);
        let of_three = shares(&[1, 1, 1], &[9, 0, 0], 9_000);
        assert_eq!(of_three[0], 0, "the most loaded never wins against another");
    }

    /// The point of two choices (Azar et al.): the fullest of many holds hardly more than the average, where
    /// one choice lets it hold twice as much.
    #[test]
    fn work_that_does_not_end_is_spread_evenly() {
        let dice = Dice::seeded(11);
        let (weights, mut loads) = ([1000; 16], [0_u64; 16]);
        for _ in 0..1600 {
            loads[less_loaded(&weights, |at| loads[at], |bound| dice.below(bound)).unwrap()] += 1;
        }
        assert!(loads.iter().all(|load| (96..=104).contains(load)), "{loads:?}");
    }

    #[test]
    fn a_backend_warms_up_from_a_tenth_to_all() {
        let at = |passed| warming(10, passed, 20_000);
        assert_eq!([at(0), at(10_000), at(20_000), at(90_000)], [1000, 5500, 10_000, 10_000]);
        assert_eq!(warming(7, 0, 0), 7000);
        assert_eq!(warming(0, 5, 20_000), 0, "what takes nothing takes nothing");
    }

    #[test]
    fn a_budget_ends_and_is_earned_again() {
        let budget = Budget::start();
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 20);
        for _ in 0..5 {
            budget.earn();
        }
        assert!(budget.spend() && !budget.spend());
        (0..1000).for_each(|_| budget.earn());
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 20, "it does not pile up");
    }

    #[test]
    fn sessions_live_where_they_live_by_weight() {
        let weights = [1, 2, 5];
        let mut shares = [0_usize; 3];
        for session in 0..8000_u64 {
            let home =
                home_of(mixed(session), weights.iter().enumerate().map(|(at, w)| (at as u64 * 77, *w)));
            shares[home.unwrap()] += 1;
        }
        for (share, weight) in shares.iter().zip(weights) {
            assert!(share.abs_diff(weight as usize * 1000) < 250, "{shares:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_goes_where_nothing_is_taken(
            weights in proptest::collection::vec(0_u64..50, 0..12),
            loads in proptest::collection::vec(0_u64..9, 12),
            seed: u64,
        ) {
            let dice = Dice::seeded(seed);
            match less_loaded(&weights, |at| loads[at], |bound| dice.below(bound)) {
                Some(at) => prop_assert!(weights[at] > 0),
                None => prop_assert!(weights.iter().all(|weight| *weight == 0)),
            }
        }

        /// A session moves only where its backend went, and comes back with it.
        #[test]
        fn a_session_stays_while_its_backend_does(
            places in proptest::collection::hash_set(any::<u64>(), 2..12),
            session: u64,
            gone: prop::sample::Index,
        ) {
            let places: Vec<u64> = places.into_iter().collect();
            let gone = gone.index(places.len());
            let all = home_of(session, places.iter().map(|place| (*place, 1))).unwrap();
            let without = |at: usize| u64::from(at != gone);
            let left = home_of(session, places.iter().enumerate().map(|(at, place)| (*place, without(at))));
            if all == gone {
                prop_assert!(left.is_some_and(|left| left != gone));
            } else {
                prop_assert_eq!(left, Some(all));
            }
        }

        #[test]
        fn a_number_is_below_its_bound(seed: u64, bound in 1_u64..) {
            prop_assert!(Dice::seeded(seed).below(bound) < bound);
        }
    }
}
