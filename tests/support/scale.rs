//! How much of a long run is tried: CCK_TEST_SCALE, a share from 0 to 1. CI sets it.

/// What `cargo test` takes part of by default, to end within minutes.
const USUAL: f64 = 0.1;

pub fn scale() -> f64 {
    let text = std::env::var("CCK_TEST_SCALE").unwrap_or_default();
    if text.is_empty() {
        return USUAL;
    }
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.unwrap_or_else(|| panic!("CCK_TEST_SCALE={text} is not a number from 0 to 1"))
}

/// That share of a count, at least one.
pub fn part(whole: u32) -> usize {
    (f64::from(whole) * scale()).ceil().max(1.0) as usize
}

/// That share of the items, spread evenly.
pub fn sample<T>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let scale = scale();
    let mut owed = 1.0;
    let mut take = |_: &T| {
        owed += scale;
        let is_due = owed >= 1.0;
        owed -= f64::from(u8::from(is_due));
        is_due
    };
    items.into_iter().filter(|item| take(item)).collect()
}
