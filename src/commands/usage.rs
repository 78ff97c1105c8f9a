//! `cck usage`: what runs used, from the call log.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use chrono::{DateTime, Local, NaiveDate, NaiveTime};
use clap::{Args, ValueEnum};
use memchr::memmem;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::broker::budget::{self, Budgets, Period, Unit};
use crate::broker::log;
use crate::context::Context;
use crate::disk::Open;
use crate::error::{Exit, fail};
use crate::output::one_line;
use crate::private;
use crate::profile::{Profile, Profiles};
use crate::records::state;

const BLOCK: usize = 1 << 20;

const BAR: usize = 20;
const WIDEST: usize = 40;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cck usage --by model --since 30d
  cck usage --since 1d --fail 20usd      in cron

Costs are estimates, by the prices at the time of each call.")]
pub(crate) struct UsageArgs {
    /// How far back: 7d, 12h, or a date (2026-11-01)
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: String,
    /// What a row is
    #[arg(long, value_enum, default_value_t = By::Day)]
    by: By,
    /// Warn if more than this was used: 20usd, 5Mtok
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    warn: Option<(f64, Unit)>,
    /// End with exit code 1 if more than this was used
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    fail: Option<(f64, Unit)>,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

fn amount(text: &str) -> Result<(f64, Unit), String> {
    budget::parse_amount(text).ok_or_else(|| format!("`{text}` is not an amount: 20usd, 5Mtok"))
}

/// What a row is: a day, or the value of this member of the log's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum By {
    Day,
    Model,
    Profile,
    Project,
    Session,
    Key,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    calls: u64,
    tokens: [u64; 5],
    cost_usd: f64,
}

const TOKENS: [&str; 5] = ["input", "output", "cache_read", "cache_write_5m", "cache_write_1h"];

impl Sum {
    fn add(&mut self, other: &Sum) {
        self.calls += other.calls;
        self.cost_usd += other.cost_usd;
        for (sum, more) in self.tokens.iter_mut().zip(other.tokens) {
            *sum = sum.saturating_add(more);
        }
    }

    fn of(&self, unit: Unit) -> f64 {
        match unit {
            Unit::Usd => self.cost_usd,
            Unit::Tokens => self.tokens.iter().map(|count| *count as f64).sum(),
        }
    }

    fn report(&self, mut row: Value) -> Value {
        let [input, output, cache_read, short, long] = self.tokens;
        row["calls"] = self.calls.into();
        row["input_tokens"] = input.into();
        row["output_tokens"] = output.into();
        row["cache_read_tokens"] = cache_read.into();
        row["cache_write_tokens"] = u64::saturating_add(short, long).into();
        row["cost_usd"] = self.cost_usd.into();
        row
    }
}

pub(crate) fn run(args: &UsageArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let since = since(&args.since)?;
    let state = state::dir(context)?;
    let mut reader = Reader::new(args.by, &since);
    for file in log::files(&state)? {
        reader.read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    if reader.skipped > 0 {
        let count = reader.skipped;
        context.warn(&format!("{count} lines of the log are not calls; see cck audit --check"));
    }
    let mut total = Sum::default();
    reader.sums.values().for_each(|sum| total.add(sum));
    let mut rows: Vec<(String, Sum)> = reader.sums.into_iter().collect();
    if args.by != By::Day {
        rows.sort_by(|(_, a), (_, b)| b.cost_usd.total_cmp(&a.cost_usd));
    }
    let budgets = budgets(&state, context)?;
    if args.json {
        context.say_json(&json!({
            "schema": 1,
            "since": since,
            "by": args.by,
            "rows": rows.iter().map(|(key, sum)| sum.report(json!({"key": key}))).collect::<Vec<_>>(),
            "total": total.report(json!({})),
            "budgets": budgets.iter().map(|(budget, _)| budget).collect::<Vec<_>>(),
        }))?;
    } else {
        print(&rows, &total, context);
        budgets.iter().for_each(|(_, left)| context.say(left));
    }
    let is_over =
        |limit: Option<(f64, Unit)>| limit.filter(|(amount, unit)| total.of(*unit) > *amount);
    if let Some((amount, unit)) = is_over(args.warn).or_else(|| is_over(args.fail)) {
        let (used, limit) = (budget::show(total.of(unit), unit), budget::show(amount, unit));
        context.warn(&format!("{used} were used, more than {limit}"));
    }
    Ok(if is_over(args.fail).is_some() { Exit::No } else { Exit::Done })
}

/// The moment as the log writes it: the names of moments sort as they do.
fn since(text: &str) -> anyhow::Result<String> {
    let moment = if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        let midnight = date.and_time(NaiveTime::MIN).and_local_timezone(Local).earliest();
        midnight.map(SystemTime::from)
    } else {
        let back = humantime::parse_duration(text).ok();
        back.and_then(|back| SystemTime::now().checked_sub(back))
    };
    // What can be written down.
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(250_000_000_000);
    let moment = moment.map(|moment| moment.max(SystemTime::UNIX_EPOCH));
    let moment = moment.filter(|moment| *moment < last).ok_or_else(|| {
        let advice = "write a duration (7d, 12h) or a date (2026-11-01)";
        fail(format!("--since {text} is not a time"), advice)
    })?;
    Ok(humantime::format_rfc3339_millis(moment).to_string())
}

/// A member of the log's lines. To look for the few that are summed takes a quarter of the time of parsing each line: cck
/// writes no blanks, and a quote inside of a text has a backslash before it, so what looks like a member is one.
struct Member(memmem::Finder<'static>);

impl Member {
    fn new(name: &str) -> Member {
        Member(memmem::Finder::new(&format!(",\"{name}\":")).into_owned())
    }

    fn of<'l, T: Deserialize<'l>>(&self, line: &'l [u8]) -> Option<T> {
        let value = &line[self.0.find(line)? + self.0.needle().len()..];
        T::deserialize(&mut serde_json::Deserializer::from_slice(value)).ok()
    }
}

struct Reader {
    since: String,
    by: By,
    key: Member,
    decision: Member,
    cost: Member,
    tokens: [Member; 5],
    sums: BTreeMap<String, Sum>,
    /// The last quarter of an hour, and its local day: no time zone differs by less, and the lines are in order.
    day: (String, String),
    skipped: usize,
}

impl Reader {
    fn new(by: By, since: &str) -> Reader {
        Reader {
            since: since.to_owned(),
            by,
            key: Member::new(by.to_possible_value().as_ref().map_or("", |name| name.get_name())),
            decision: Member::new("decision"),
            cost: Member::new("cost_usd"),
            tokens: TOKENS.map(|kind| Member::new(&format!("{kind}_tokens"))),
            sums: BTreeMap::new(),
            day: Default::default(),
            skipped: 0,
        }
    }

    fn read(&mut self, file: &Path) -> io::Result<()> {
        let mut log = BufReader::with_capacity(BLOCK, private::open(file, Open::Read)?);
        let mut line = Vec::new();
        while log.read_until(b'\n', &mut line)? > 0 {
            // What has no line end is being written.
            if let Some(line) = line.strip_suffix(b"\n") {
                self.skipped += usize::from(self.line(line).is_none());
            }
            line.clear();
        }
        Ok(())
    }

    /// Adds a line; none if it is not a call.
    fn line(&mut self, line: &[u8]) -> Option<()> {
        let text = line.strip_prefix(b"{\"time\":\"")?.strip_suffix(b"}")?;
        let time = std::str::from_utf8(text.get(..self.since.len())?).ok()?;
        // Most of a long log is older than what is asked for.
        if time < &*self.since || matches!(self.decision.of(line)?, "started" | "refused") {
            return Some(());
        }
        let mut sum = Sum { calls: 1, cost_usd: self.cost.of(line)?, ..Sum::default() };
        for (count, member) in sum.tokens.iter_mut().zip(&self.tokens) {
            *count = member.of(line)?;
        }
        let key = match self.by {
            By::Day => self.day(time)?,
            _ => self.key.of::<Option<String>>(line).flatten().unwrap_or_else(|| "(none)".into()),
        };
        self.sums.entry(key).or_default().add(&sum);
        Some(())
    }

    fn day(&mut self, time: &str) -> Option<String> {
        let (hour, minute) = (time.get(..14)?, time.get(14..16)?.parse::<u8>().ok()?);
        let quarter = format!("{hour}{}", minute / 15);
        if quarter != self.day.0 {
            let local = DateTime::parse_from_rfc3339(time).ok()?.with_timezone(&Local);
            self.day = (quarter, local.format("%Y-%m-%d").to_string());
        }
        Some(self.day.1.clone())
    }
}

/// The budgets of the profiles with what was used of them, and what is left for people.
fn budgets(state: &Path, context: &Context) -> anyhow::Result<Vec<(Value, String)>> {
    let (now, mut rows) = (Local::now().naive_local(), Vec::new());
    for Profile { name, entry, .. } in Profiles::load(context)?.list {
        let mut budgets = entry.budget;
        // What a run may use is the run's own.
        budgets.retain(|budget| budget.period != Period::Run);
        let mut spent = Budgets::new(budgets.clone(), Some(state), Some(&name))?;
        for (budget, (used, left)) in budgets.iter().zip(spent.left(now)) {
            let unit = if budget.unit == Unit::Usd { "usd" } else { "tok" };
            let (text, amount) = (&budget.text, budget.amount);
            let row = json!({"profile": name, "budget": text, "used": used, "amount": amount, "unit": unit});
            rows.push((row, format!("{name}: {left}")));
        }
    }
    Ok(rows)
}

fn print(rows: &[(String, Sum)], total: &Sum, context: &mut Context) {
    if rows.is_empty() {
        return context.say("no calls were logged in this time; cck run logs what goes through it");
    }
    let names: Vec<String> = rows.iter().map(|(key, _)| shorten(key)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
    let most = rows.iter().map(|(_, sum)| sum.cost_usd).fold(0.0, f64::max);
    let line = |name: &str, sum: &Sum, bar: &str| {
        let tokens = budget::show(sum.of(Unit::Tokens), Unit::Tokens);
        let (calls, usd) = (sum.calls, sum.cost_usd);
        format!("{name:<width$}  {calls:>7} calls  {tokens:>12}  {usd:>10.2} usd{bar}")
    };
    for (name, (_, sum)) in names.iter().zip(rows) {
        let share = if most > 0.0 { sum.cost_usd / most } else { 0.0 };
        let bar = "█".repeat((share * BAR as f64).round() as usize);
        context.say(line(name, sum, &format!("  {bar}")));
    }
    context.say(line("total", total, ""));
}

/// A name as the first column has it: of a long path, the end says most.
fn shorten(key: &str) -> String {
    let key = one_line(key);
    match key.chars().count() {
        ..=WIDEST => key,
        count => format!("…{}", key.chars().skip(count - WIDEST + 1).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(by: By, lines: &[&str]) -> Vec<(String, u64, u64)> {
        let mut reader = Reader::new(by, "2026-11-20T00:00:00.000Z");
        lines.iter().for_each(|line| _ = reader.line(line.as_bytes()));
        let rows = reader.sums.into_iter();
        rows.map(|(key, sum)| (key, sum.calls, sum.tokens[0])).collect()
    }

    fn line(time: &str, decision: &str, model: &str) -> String {
        format!(
            r#"{{"time":"{time}","decision":"{decision}","model":"{model}","session":null,"project":"/a\",\"input_tokens\":9","input_tokens":2,"output_tokens":0,"cache_read_tokens":0,"cache_write_5m_tokens":0,"cache_write_1h_tokens":0,"cost_usd":0.5}}"#
        )
    }

    #[test]
    fn calls_are_summed_by_what_is_asked_for() {
        let lines = [
            line("2026-11-25T12:00:00.000Z", "passed", "a"),
            line("2026-11-25T12:10:00.000Z", "aborted", "b"),
            line("2026-11-26T12:10:00.000Z", "passed", "a"),
            line("2026-11-19T12:10:00.000Z", "passed", "a"),
            line("2026-11-25T12:10:00.000Z", "refused", "a"),
            line("2026-11-25T12:10:00.000Z", "started", "a"),
            "{\"torn".to_owned(),
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(read(By::Model, &lines), [("a".into(), 2, 4), ("b".into(), 1, 2)]);
        assert_eq!(read(By::Project, &lines), [("/a\",\"input_tokens\":9".into(), 3, 6)]);
        assert_eq!(read(By::Session, &lines), [("(none)".into(), 3, 6)]);
        assert_eq!(read(By::Day, &lines).len(), 2);
    }

    #[test]
    fn a_time_is_a_duration_or_a_date() {
        for text in ["7d", "12h", "2026-11-01", "1970-01-01", "100years"] {
            assert!(since(text).is_ok(), "{text}");
        }
        for text in ["", "x", "2026-13-01", "-1d"] {
            assert!(since(text).is_err(), "{text}");
        }
    }
}
