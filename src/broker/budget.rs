//! How much may be used: amounts a period, shared by all runs of a profile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Datelike, Days, Local, Months, NaiveDateTime, NaiveTime, Timelike};
use serde::{Deserialize, Serialize};

use crate::disk::Open;
use crate::private;
pub(crate) use crate::profile::limits::{Budget, Period, Unit, parse_amount};

/// Hours that are kept: a month is the longest period.
const KEPT_DAYS: u64 = 40;

/// How long another run's lock is waited for. Each holds it for one small file.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Amount {
    pub(crate) usd: f64,
    pub(crate) tokens: u64,
}

impl Amount {
    pub(crate) fn of(self, unit: Unit) -> f64 {
        match unit {
            Unit::Usd => self.usd,
            Unit::Tokens => self.tokens as f64,
        }
    }

    pub(crate) fn add(&mut self, other: Amount) {
        self.usd += other.usd;
        self.tokens = self.tokens.saturating_add(other.tokens);
    }

    /// Takes away what was added before.
    fn subtract(&mut self, other: Amount) {
        self.usd = (self.usd - other.usd).max(0.0);
        self.tokens = self.tokens.saturating_sub(other.tokens);
    }
}

/// The name of an hour, local: names sort as the hours do.
fn hour_name(time: NaiveDateTime) -> String {
    time.format("%Y-%m-%dT%H").to_string()
}

impl Period {
    /// When the period began that `now` is in, and when the next begins; none for a run.
    fn bounds(self, now: NaiveDateTime) -> Option<(NaiveDateTime, NaiveDateTime)> {
        let midnight = |date: chrono::NaiveDate| date.and_time(NaiveTime::MIN);
        let today = now.date();
        Some(match self {
            Period::Run => return None,
            Period::Hour => {
                let start = now.with_minute(0)?.with_second(0)?.with_nanosecond(0)?;
                (start, start + chrono::Duration::hours(1))
            }
            Period::Day => (midnight(today), midnight(today.checked_add_days(Days::new(1))?)),
            Period::Week => {
                let back = u64::from(today.weekday().num_days_from_monday());
                let start = today.checked_sub_days(Days::new(back))?;
                (midnight(start), midnight(start.checked_add_days(Days::new(7))?))
            }
            Period::Month => {
                let start = today.with_day(1)?;
                (midnight(start), midnight(start.checked_add_months(Months::new(1))?))
            }
        })
    }

    fn name(self) -> &'static str {
        match self {
            Period::Run => "for this run",
            Period::Hour => "an hour",
            Period::Day => "a day",
            Period::Week => "a week",
            Period::Month => "a month",
        }
    }
}

impl Budget {
    /// `5 usd a day`.
    pub(crate) fn describe(&self) -> String {
        format!("{} {}", show(self.amount, self.unit), self.period.name())
    }

    /// What was used of it, given what this run and the profile's hours used.
    pub(crate) fn spent(&self, run: Amount, spend: &Spend, now: NaiveDateTime) -> f64 {
        match self.period.bounds(now) {
            None => run.of(self.unit),
            Some((start, _)) => spend.since(&hour_name(start)).of(self.unit),
        }
    }

    /// What was used of it by all runs; none of a budget for each run.
    pub(crate) fn stored(&self, spend: &Spend, now: NaiveDateTime) -> Option<f64> {
        self.period.bounds(now)?;
        Some(self.spent(Amount::default(), spend, now))
    }

    /// When it can be used again, as a part of a sentence.
    fn renewal(&self, now: NaiveDateTime) -> String {
        match self.period.bounds(now) {
            None => "it ends with the run".to_owned(),
            Some((_, next)) => format!("it renews on {}", next.format("%a %-d %b at %H:%M")),
        }
    }
}

/// An amount for people: `5.02 usd`, `1.2 Mtok`.
pub(crate) fn show(amount: f64, unit: Unit) -> String {
    let digits = |value: f64| {
        let text = format!("{value:.2}");
        text.strip_suffix(".00").unwrap_or(&text).to_owned()
    };
    match unit {
        Unit::Usd if amount > 0.0 && amount < 0.01 => format!("{amount:.4} usd"),
        Unit::Usd => format!("{} usd", digits(amount)),
        Unit::Tokens if amount >= 1e6 => format!("{} Mtok", digits(amount / 1e6)),
        Unit::Tokens if amount >= 1e4 => format!("{} ktok", digits(amount / 1e3)),
        Unit::Tokens => format!("{amount:.0} tok"),
    }
}

/// What a profile used, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spend {
    /// By the local hour.
    hours: BTreeMap<String, Amount>,
    /// Every model that was used.
    pub(crate) models: BTreeSet<String>,
}

impl Spend {
    /// What was used in the hours from this one on.
    fn since(&self, hour: &str) -> Amount {
        let mut sum = Amount::default();
        self.hours.range(hour.to_owned()..).for_each(|(_, amount)| sum.add(*amount));
        sum
    }

    /// Adds to the hour that `now` is in.
    fn add(&mut self, amount: Amount, now: NaiveDateTime) {
        self.hours.entry(hour_name(now)).or_default().add(amount);
    }

    fn forget_old(&mut self, now: NaiveDateTime) {
        if let Some(oldest) = now.checked_sub_days(Days::new(KEPT_DAYS)) {
            self.hours = self.hours.split_off(&hour_name(oldest));
        }
    }

    /// This hour's dollars, and the median of the hours before it; none if these are too few to say what is usual.
    pub(crate) fn hour_and_median(&self, now: NaiveDateTime) -> Option<(f64, f64)> {
        let this = hour_name(now);
        let mut before: Vec<f64> = self
            .hours
            .range(..this.clone())
            .map(|(_, amount)| amount.usd)
            .filter(|usd| *usd > 0.0)
            .collect();
        before.sort_by(f64::total_cmp);
        let median = *before.get(before.len() / 2).filter(|_| before.len() >= 5)?;
        Some((self.hours.get(&this)?.usd, median))
    }
}

/// The place in which a profile's runs share what they used.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    file: PathBuf,
}

impl Store {
    /// The store of a profile, or of the runs without one.
    pub(crate) fn new(state: &Path, profile: Option<&str>) -> Store {
        let name = profile.map_or("no-profile".to_owned(), |name| format!("profile-{name}"));
        Store { file: state.join("spend").join(name + ".json") }
    }

    /// What is stored; nothing as long as the file is missing.
    pub(crate) fn load(&self) -> anyhow::Result<Spend> {
        let Some(text) = private::read(&self.file)? else { return Ok(Spend::default()) };
        serde_json::from_slice(&text).map_err(|error| {
            crate::error::fail(
                format!("{}: {error}", self.file.display()),
                "move the file aside; the budgets of this profile then begin anew",
            )
        })
    }

    /// Adds to what is stored, under the lock, and returns it as it was and as it is.
    pub(crate) fn add(
        &self,
        amount: Amount,
        models: &[String],
        now: NaiveDateTime,
    ) -> anyhow::Result<(Spend, Spend)> {
        let _lock = lock(&self.file.with_extension("lock"))?;
        let before = self.load()?;
        let mut after = before.clone();
        after.add(amount, now);
        after.models.extend(models.iter().cloned());
        after.forget_old(now);
        private::write(&self.file, &serde_json::to_vec(&after)?)?;
        Ok((before, after))
    }

    fn stamp(&self) -> Option<(SystemTime, u64)> {
        let metadata = fs::metadata(&self.file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    }
}

/// Takes the lock of a file, which is made if it is missing. It is not waited for without end.
pub(crate) fn lock(path: &Path) -> anyhow::Result<File> {
    private::open_locked(path, Open::Make, LOCK_WAIT)
        .map_err(|error| anyhow::anyhow!("cannot lock {}: {error}", path.display()))
}

/// The budgets of a run, and what it used of them.
pub(crate) struct Ledger {
    budgets: Vec<Budget>,
    pub(crate) run: Amount,
    /// Used, and not yet stored.
    pending: Amount,
    stored: Spend,
    stamp: Option<(SystemTime, u64)>,
    store: Option<Store>,
    /// The profile, for advice.
    profile: Option<String>,
}

impl Ledger {
    pub(crate) fn new(
        budgets: Vec<Budget>,
        store: Option<Store>,
        profile: Option<String>,
    ) -> anyhow::Result<Ledger> {
        let stamp = store.as_ref().and_then(Store::stamp);
        let stored = store.as_ref().map(Store::load).transpose()?.unwrap_or_default();
        Ok(Ledger {
            budgets,
            run: Amount::default(),
            pending: Amount::default(),
            stored,
            stamp,
            store,
            profile,
        })
    }

    /// Counts what a call used.
    pub(crate) fn count(&mut self, amount: Amount) {
        self.run.add(amount);
        self.pending.add(amount);
    }

    /// Takes over what was stored of it.
    pub(crate) fn stored(&mut self, amount: Amount, stored: Spend) {
        self.pending.subtract(amount);
        self.stored = stored;
        self.stamp = self.store.as_ref().and_then(Store::stamp);
    }

    /// What this run and its profile used until now.
    fn spend(&mut self, now: NaiveDateTime) -> Spend {
        // Another run of the profile may have used something.
        if let Some(store) = &self.store {
            let stamp = store.stamp();
            if stamp != self.stamp
                && let Ok(stored) = store.load()
            {
                (self.stamp, self.stored) = (stamp, stored);
            }
        }
        let mut spend = self.stored.clone();
        spend.add(self.pending, now);
        spend
    }

    /// The sentence with which a call is refused, if a budget is spent.
    pub(crate) fn refusal(&mut self, now: DateTime<Local>) -> Option<String> {
        if self.budgets.is_empty() {
            return None;
        }
        let now = now.naive_local();
        let spend = self.spend(now);
        let budget = self
            .budgets
            .iter()
            .find(|budget| budget.spent(self.run, &spend, now) >= budget.amount)?;
        let more = match self.profile.as_deref() {
            Some(profile) => format!("--budget or `budget` of the profile {profile}"),
            None => "--budget".to_owned(),
        };
        Some(format!(
            "cck: the budget of {} is spent ({}); {}. To raise it, end this run and start one with a larger {more}.",
            budget.describe(),
            show(budget.spent(self.run, &spend, now), budget.unit),
            budget.renewal(now),
        ))
    }

    /// The thresholds that were passed between two states: `75 % of the budget of 5 usd a day is used`.
    pub(crate) fn passed(
        &self,
        before: (Amount, &Spend),
        after: (Amount, &Spend),
        now: NaiveDateTime,
    ) -> Vec<(String, String)> {
        let mut passed = Vec::new();
        for budget in &self.budgets {
            let share = |(run, spend)| 100.0 * budget.spent(run, spend, now) / budget.amount;
            let (from, to) = (share(before), share(after));
            // Of several at once the last says it all.
            if let Some(mark) = [100, 95, 75]
                .into_iter()
                .find(|mark| from < f64::from(*mark) && to >= f64::from(*mark))
            {
                passed.push((
                    format!("budget-{mark}"),
                    format!("{mark} % of the budget of {} is used", budget.describe()),
                ));
            }
        }
        passed
    }

    /// What is left of each budget: `4.68 usd of 5 usd a day`.
    pub(crate) fn left(&mut self, now: DateTime<Local>) -> Vec<String> {
        let now = now.naive_local();
        let spend = self.spend(now);
        self.budgets
            .iter()
            .map(|budget| {
                let left = (budget.amount - budget.spent(self.run, &spend, now)).max(0.0);
                format!("{} left of {}", show(left, budget.unit), budget.describe())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }

    fn budget(text: &str) -> Budget {
        text.parse().unwrap()
    }

    #[test]
    fn a_budget_is_an_amount_with_its_unit_and_a_period() {
        for (text, amount, unit, period) in [
            ("5usd/day", 5.0, Unit::Usd, Period::Day),
            ("0.5usd", 0.5, Unit::Usd, Period::Run),
            ("200ktok/hour", 200_000.0, Unit::Tokens, Period::Hour),
            ("1.5Mtok/week", 1_500_000.0, Unit::Tokens, Period::Week),
            ("9tok/month", 9.0, Unit::Tokens, Period::Month),
        ] {
            let text = text.to_owned();
            assert_eq!(text.parse(), Ok(Budget { amount, unit, period, text }));
        }
        for text in [
            "",
            "5",
            "5eur",
            "usd",
            "0usd",
            "-1usd",
            "5usd/",
            "5usd/year",
            "5Usd",
            "1.2.3usd",
            "5usd/day/day",
            "infusd",
        ] {
            assert!(text.parse::<Budget>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_period_begins_where_its_name_says_in_local_time() {
        // 2026-11-25 is a Wednesday.
        let now = at("2026-11-25 23:10");
        for (period, start, next) in [
            (Period::Hour, "2026-11-25 23:00", "2026-11-26 00:00"),
            (Period::Day, "2026-11-25 00:00", "2026-11-26 00:00"),
            (Period::Week, "2026-11-23 00:00", "2026-11-30 00:00"),
            (Period::Month, "2026-11-01 00:00", "2026-12-01 00:00"),
        ] {
            assert_eq!(period.bounds(now), Some((at(start), at(next))));
        }
        assert_eq!(Period::Run.bounds(now), None);
    }

    #[test]
    fn each_period_counts_its_own_hours() {
        let mut spend = Spend::default();
        for (time, usd) in [
            ("2026-10-31 10:00", 1.0),
            ("2026-11-02 10:00", 2.0),
            ("2026-11-24 10:00", 4.0),
            ("2026-11-25 01:00", 8.0),
            ("2026-11-25 23:00", 16.0),
        ] {
            spend.add(Amount { usd, tokens: 1 }, at(time));
        }
        let now = at("2026-11-25 23:10");
        let run = Amount { usd: 0.5, tokens: 7 };
        let spent = |text: &str| budget(text).spent(run, &spend, now);
        assert_eq!(spent("1usd/hour"), 16.0);
        assert_eq!(spent("1usd/day"), 24.0);
        assert_eq!(spent("1usd/week"), 28.0);
        assert_eq!(spent("1usd/month"), 30.0);
        assert_eq!(spent("1tok/month"), 4.0);
        assert_eq!((spent("1usd"), spent("1tok")), (0.5, 7.0));
    }

    #[test]
    fn two_runs_share_a_budget_and_a_spent_one_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), Some("p"));
        let ledger = || {
            Ledger::new(vec![budget("5usd/day")], Some(store.clone()), Some("p".into())).unwrap()
        };
        let (mut one, mut other) = (ledger(), ledger());
        let now = Local::now();
        let amount = Amount { usd: 3.0, tokens: 10 };
        for ledger in [&mut one, &mut other] {
            assert_eq!(ledger.refusal(now), None);
            ledger.count(amount);
            let (_, stored) = store.add(amount, &["m".into()], now.naive_local()).unwrap();
            ledger.stored(amount, stored);
        }
        for ledger in [&mut one, &mut other] {
            let sentence = ledger.refusal(now).expect("6 of 5 usd are spent");
            for word in ["5 usd a day", "6 usd", "renews on", "--budget", "profile p"] {
                assert!(sentence.contains(word), "no {word} in {sentence}");
            }
            assert_eq!(ledger.left(now), ["0 usd left of 5 usd a day"]);
        }
        let others = Store::new(dir.path(), None);
        assert_eq!(others.load().unwrap(), Spend::default(), "each profile has its own");
    }

    #[test]
    fn what_is_not_stored_yet_counts_already() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger =
            Ledger::new(vec![budget("10tok/hour")], Some(Store::new(dir.path(), None)), None)
                .unwrap();
        let now = Local::now();
        ledger.count(Amount { usd: 0.0, tokens: 9 });
        assert_eq!(ledger.refusal(now), None);
        ledger.count(Amount { usd: 0.0, tokens: 1 });
        assert!(ledger.refusal(now).is_some());
    }

    #[test]
    fn an_alert_is_raised_when_its_mark_is_passed_and_only_then() {
        let dir = tempfile::tempdir().unwrap();
        let ledger =
            Ledger::new(vec![budget("100tok")], Some(Store::new(dir.path(), None)), None).unwrap();
        let spend = Spend::default();
        let marks = |from: u64, to: u64| {
            let run = |tokens| (Amount { usd: 0.0, tokens }, &spend);
            let passed = ledger.passed(run(from), run(to), at("2026-11-25 23:10"));
            passed.into_iter().map(|(kind, _)| kind).collect::<Vec<_>>()
        };
        assert_eq!(marks(0, 74), [""; 0]);
        assert_eq!(marks(74, 75), ["budget-75"]);
        assert_eq!(marks(75, 94), [""; 0]);
        assert_eq!(marks(80, 96), ["budget-95"]);
        assert_eq!(marks(10, 130), ["budget-100"]);
        assert_eq!(marks(130, 140), [""; 0]);
    }

    #[test]
    fn an_hour_is_compared_with_the_median_of_those_before_it() {
        let mut spend = Spend::default();
        for (hour, usd) in [1.0, 3.0, 2.0, 100.0, 2.0, 50.0].into_iter().enumerate() {
            let now = at(&format!("2026-11-25 {hour:02}:30"));
            assert_eq!(spend.hour_and_median(now), None);
            spend.add(Amount { usd, tokens: 0 }, now);
        }
        assert_eq!(spend.hour_and_median(at("2026-11-25 05:40")), Some((50.0, 2.0)));
    }

    #[test]
    fn amounts_are_shown_for_people() {
        for (amount, unit, text) in [
            (5.0, Unit::Usd, "5 usd"),
            (5.019, Unit::Usd, "5.02 usd"),
            (0.0012, Unit::Usd, "0.0012 usd"),
            (0.0, Unit::Usd, "0 usd"),
            (999.0, Unit::Tokens, "999 tok"),
            (200_000.0, Unit::Tokens, "200 ktok"),
            (1_250_000.0, Unit::Tokens, "1.25 Mtok"),
        ] {
            assert_eq!(show(amount, unit), text);
        }
    }
}
