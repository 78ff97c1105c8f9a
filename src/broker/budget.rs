//! How much may be used: amounts per period, shared by all runs of a profile, and by all runs without one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use chrono::{Datelike, Days, Months, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Weekday};
use serde::{Deserialize, Serialize};

use crate::disk::{self, Open, Stamp};
use crate::private;
pub(crate) use crate::profile::limits::{Budget, Period, Unit, parse_amount};

/// The kind of an alert, and its sentence.
pub(crate) type Alert = (String, String);

/// For how many days hours are kept: a month is the longest period.
const KEPT_DAYS: u64 = 40;

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
}

/// The name of an hour, local: names sort as the hours do.
fn hour_name(time: NaiveDateTime) -> String {
    time.format("%Y-%m-%dT%H").to_string()
}

impl Period {
    /// When the period began that `now` is in, and when the next begins; none for a run.
    fn bounds(self, now: NaiveDateTime) -> Option<(NaiveDateTime, NaiveDateTime)> {
        let today = now.date();
        let (first, next) = match self {
            Period::Run => return None,
            Period::Hour => {
                let start = today.and_hms_opt(now.hour(), 0, 0)?;
                return Some((start, start + TimeDelta::hours(1)));
            }
            Period::Day => (today, today + Days::new(1)),
            Period::Week => {
                let first = today.week(Weekday::Mon).first_day();
                (first, first + Days::new(7))
            }
            Period::Month => {
                let first = today.with_day(1)?;
                (first, first + Months::new(1))
            }
        };
        Some((first.and_time(NaiveTime::MIN), next.and_time(NaiveTime::MIN)))
    }
}

impl Budget {
    /// `5 usd a day`.
    pub(crate) fn describe(&self) -> String {
        let period = match self.period {
            Period::Run => "for this run",
            Period::Hour => "an hour",
            Period::Day => "a day",
            Period::Week => "a week",
            Period::Month => "a month",
        };
        format!("{} {period}", show(self.amount, self.unit))
    }

    /// What was used of it, given what this run used and what is stored of all runs.
    fn used(&self, run: Amount, stored: &Spend, now: NaiveDateTime) -> f64 {
        match self.period.bounds(now) {
            None => run.of(self.unit),
            Some((start, _)) => {
                let hours = stored.hours.range(hour_name(start)..);
                hours.map(|(_, amount)| amount.of(self.unit)).sum()
            }
        }
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
    /// What a file holds; nothing as long as it is missing.
    fn load(file: &Path) -> anyhow::Result<Spend> {
        let Some(text) = private::read(file)? else { return Ok(Spend::default()) };
        serde_json::from_slice(&text).map_err(|error| {
            crate::error::fail(
                format!("{}: {error}", file.display()),
                "move the file aside; the budgets of this profile then begin anew",
            )
        })
    }

    /// Adds to what a file holds, under its lock, and returns that as it was and as it is.
    pub(crate) fn add(
        file: &Path,
        amount: Amount,
        models: &[String],
        now: NaiveDateTime,
    ) -> anyhow::Result<(Spend, Spend)> {
        let _lock = lock(&file.with_extension("lock"))?;
        let before = Spend::load(file)?;
        let after = before.plus(amount, models, now);
        private::write(file, &serde_json::to_vec(&after)?)?;
        Ok((before, after))
    }

    /// The same with more in the hour that `now` is in, and without what is too old for any budget.
    pub(crate) fn plus(&self, amount: Amount, models: &[String], now: NaiveDateTime) -> Spend {
        let mut spend = self.clone();
        spend.hours.entry(hour_name(now)).or_default().add(amount);
        spend.models.extend(models.iter().cloned());
        if let Some(oldest) = now.checked_sub_days(Days::new(KEPT_DAYS)) {
            spend.hours = spend.hours.split_off(&hour_name(oldest));
        }
        spend
    }

    /// This hour's dollars, and the median of the hours before it; none if these are too few to say what is usual.
    pub(crate) fn hour_and_median(&self, now: NaiveDateTime) -> Option<(f64, f64)> {
        let this = hour_name(now);
        let before = self.hours.range(..this.clone()).map(|(_, amount)| amount.usd);
        let mut before: Vec<f64> = before.filter(|usd| *usd > 0.0).collect();
        before.sort_by(f64::total_cmp);
        let median = *before.get(before.len() / 2).filter(|_| before.len() >= 5)?;
        Some((self.hours.get(&this)?.usd, median))
    }
}

/// By which a change of a file shows.
fn stamp(file: &Path) -> Option<Stamp> {
    disk::look(file).ok().map(|stat| stat.stamp)
}

/// Takes the lock of a file, which is made if it is missing. It is not waited for without end.
pub(crate) fn lock(path: &Path) -> anyhow::Result<File> {
    private::open_locked(path, Open::Make, private::LOCK_WAIT)
        .map_err(|error| anyhow::anyhow!("cannot lock {}: {error}", path.display()))
}

/// The budgets of a run, and what it used of them.
pub(crate) struct Budgets {
    pub(crate) list: Vec<Budget>,
    pub(crate) run: Amount,
    /// Of the run, what is in `stored`.
    recorded: Amount,
    pub(crate) stored: Spend,
    stamp: Option<Stamp>,
    /// In which a profile's runs share what they used; without a state directory budgets hold for this run only.
    pub(crate) file: Option<PathBuf>,
    /// The profile, for advice.
    profile: Option<String>,
}

impl Budgets {
    pub(crate) fn new(
        list: Vec<Budget>,
        state: Option<&Path>,
        profile: Option<&str>,
    ) -> anyhow::Result<Budgets> {
        let name = profile.map_or("no-profile".to_owned(), |name| format!("profile-{name}"));
        let file = state.map(|state| state.join("spend").join(name + ".json"));
        Ok(Budgets {
            list,
            run: Amount::default(),
            recorded: Amount::default(),
            stamp: file.as_deref().and_then(stamp),
            stored: file.as_deref().map(Spend::load).transpose()?.unwrap_or_default(),
            file,
            profile: profile.map(str::to_owned),
        })
    }

    /// What this run and its profile used of each budget until now.
    fn used(&mut self, now: NaiveDateTime) -> Vec<f64> {
        // Another run of the profile may have used something.
        if let Some(file) = self.file.as_ref().filter(|_| !self.list.is_empty()) {
            let stamp = stamp(file);
            if stamp != self.stamp
                && let Ok(stored) = Spend::load(file)
            {
                (self.stamp, self.stored) = (stamp, stored);
            }
        }
        let used = |budget: &Budget| {
            let pending = match budget.period {
                Period::Run => 0.0,
                _ => (self.run.of(budget.unit) - self.recorded.of(budget.unit)).max(0.0),
            };
            budget.used(self.run, &self.stored, now) + pending
        };
        self.list.iter().map(used).collect()
    }

    /// What is left of each budget: how much was used of it, and a sentence.
    pub(crate) fn left(&mut self, now: NaiveDateTime) -> Vec<(f64, String)> {
        let used = self.used(now);
        let left = |(budget, used): (&Budget, f64)| {
            let left = show((budget.amount - used).max(0.0), budget.unit);
            (used, format!("{left} left of {}", budget.describe()))
        };
        self.list.iter().zip(used).map(left).collect()
    }

    /// The sentence with which a call is refused, if a budget is spent.
    pub(crate) fn refusal(&mut self, now: NaiveDateTime) -> Option<String> {
        let used = self.used(now);
        let mut both = self.list.iter().zip(used);
        let (budget, used) = both.find(|(budget, used)| *used >= budget.amount)?;
        let more = match &self.profile {
            Some(profile) => format!("--budget or `budget` of the profile {profile}"),
            None => "--budget".to_owned(),
        };
        Some(format!(
            "the budget of {} is spent ({}); {}. To raise it, end this run and start one with a larger {more}.",
            budget.describe(),
            show(used, budget.unit),
            budget.renewal(now),
        ))
    }

    /// Takes over that so much was stored, and returns which marks of which budgets were passed by that.
    pub(crate) fn record(
        &mut self,
        amount: Amount,
        (before, after): (&Spend, Spend),
        now: NaiveDateTime,
    ) -> Vec<Alert> {
        let run = self.recorded;
        self.recorded.add(amount);
        self.stored = after;
        self.stamp = self.file.as_deref().and_then(stamp);
        let passed = |budget: &Budget| {
            let share = |run, spend| 100.0 * budget.used(run, spend, now) / budget.amount;
            let (from, to) = (share(run, before), share(self.recorded, &self.stored));
            // Of several at once the last says it all.
            let mark = [100, 95, 75]
                .into_iter()
                .find(|mark| from < f64::from(*mark) && to >= f64::from(*mark))?;
            let message = format!("{mark} % of the budget of {} is used", budget.describe());
            Some((format!("budget-{mark}"), message))
        };
        self.list.iter().filter_map(passed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Local;

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
            spend = spend.plus(Amount { usd, tokens: 1 }, &[], at(time));
        }
        let now = at("2026-11-25 23:10");
        let run = Amount { usd: 0.5, tokens: 7 };
        let used = |text: &str| budget(text).used(run, &spend, now);
        assert_eq!(used("1usd/hour"), 16.0);
        assert_eq!(used("1usd/day"), 24.0);
        assert_eq!(used("1usd/week"), 28.0);
        assert_eq!(used("1usd/month"), 30.0);
        assert_eq!(used("1tok/month"), 4.0);
        assert_eq!((used("1usd"), used("1tok")), (0.5, 7.0));
    }

    #[test]
    fn two_runs_share_a_budget_and_a_spent_one_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let budgets =
            || Budgets::new(vec![budget("5usd/day")], Some(dir.path()), Some("p")).unwrap();
        let (mut one, mut other) = (budgets(), budgets());
        let now = Local::now().naive_local();
        let amount = Amount { usd: 3.0, tokens: 10 };
        for budgets in [&mut one, &mut other] {
            assert_eq!(budgets.refusal(now), None);
            budgets.run.add(amount);
            let file = budgets.file.clone().unwrap();
            let (before, after) = Spend::add(&file, amount, &["m".into()], now).unwrap();
            budgets.record(amount, (&before, after), now);
        }
        for budgets in [&mut one, &mut other] {
            let sentence = budgets.refusal(now).expect("6 of 5 usd are spent");
            for word in ["5 usd a day", "6 usd", "renews on", "--budget", "profile p"] {
                assert!(sentence.contains(word), "no {word} in {sentence}");
            }
            assert_eq!(budgets.left(now), [(6.0, "0 usd left of 5 usd a day".to_owned())]);
        }
        let others = Budgets::new(vec![], Some(dir.path()), None).unwrap();
        assert_eq!(others.stored, Spend::default(), "each profile has its own");
    }

    #[test]
    fn what_is_not_stored_yet_counts_already() {
        let dir = tempfile::tempdir().unwrap();
        for state in [Some(dir.path()), None] {
            let mut budgets = Budgets::new(vec![budget("10tok/hour")], state, None).unwrap();
            let now = Local::now().naive_local();
            budgets.run.add(Amount { usd: 0.0, tokens: 9 });
            assert_eq!(budgets.refusal(now), None);
            budgets.run.add(Amount { usd: 0.0, tokens: 1 });
            assert!(budgets.refusal(now).is_some());
        }
    }

    #[test]
    fn an_alert_is_raised_when_its_mark_is_passed_and_only_then() {
        let marks = |from: u64, to: u64| {
            let mut budgets = Budgets::new(vec![budget("100tok")], None, None).unwrap();
            let mut record = |tokens| {
                let amount = Amount { usd: 0.0, tokens };
                let stored = (&Spend::default(), Spend::default());
                budgets.record(amount, stored, at("2026-11-25 23:10"))
            };
            record(from);
            record(to - from).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>()
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
            spend = spend.plus(Amount { usd, tokens: 0 }, &[], now);
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
