//! `cck usage`: what runs used, from the call log.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use chrono::{DateTime, Local, NaiveDate};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::broker::budget::{self, Ledger, Store, Unit};
use crate::broker::log;
use crate::context::Context;
use crate::error::{Exit, fail};
use crate::output::one_line;
use crate::profile::Profiles;
use crate::records::state;

/// How much of the log is read at a time.
const BLOCK: usize = 1 << 20;

/// The longest bar, and the widest first column.
const BAR: usize = 20;
const WIDEST: usize = 40;

/// The arguments of `cck usage`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cck usage --by model --since 30d
  cck usage --since 1d --fail 20usd      (in cron: exit code 1 if more was used)

Costs are estimates by the list of prices that each call was made with.")]
pub(crate) struct UsageArgs {
    /// From when: 7d, 12h, or a date (2026-11-01)
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

/// What is read of a line of the log.
#[derive(Deserialize)]
struct Line<'a> {
    time: &'a str,
    decision: &'a str,
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    profile: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    project: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    session: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
    input_tokens: u64,
    output_tokens: u64,
    cache_read_tokens: u64,
    cache_write_5m_tokens: u64,
    cache_write_1h_tokens: u64,
    cost_usd: f64,
}

/// A sum of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Sum {
    calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    cache_read_tokens: u64,
    cache_write_tokens: u64,
    cost_usd: f64,
}

impl Sum {
    fn add(&mut self, other: &Sum) {
        self.calls += other.calls;
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cache_read_tokens = self.cache_read_tokens.saturating_add(other.cache_read_tokens);
        self.cache_write_tokens = self.cache_write_tokens.saturating_add(other.cache_write_tokens);
        self.cost_usd += other.cost_usd;
    }

    fn of(&self, unit: Unit) -> f64 {
        let cached = self.cache_read_tokens.saturating_add(self.cache_write_tokens);
        match unit {
            Unit::Usd => self.cost_usd,
            Unit::Tokens => {
                self.input_tokens.saturating_add(self.output_tokens).saturating_add(cached) as f64
            }
        }
    }
}

#[derive(Serialize)]
struct Row {
    key: String,
    #[serde(flatten)]
    sum: Sum,
}

/// A budget of a profile, and what was used of it.
#[derive(Serialize)]
struct BudgetRow {
    profile: String,
    budget: String,
    #[serde(skip)]
    left: String,
    used: f64,
    amount: f64,
    unit: &'static str,
}

#[derive(Serialize)]
struct Report {
    schema: u32,
    since: String,
    by: By,
    rows: Vec<Row>,
    total: Sum,
    budgets: Vec<BudgetRow>,
}

/// Runs `cck usage`.
pub(crate) fn run(args: &UsageArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let since = since(&args.since)?;
    let state = state::dir(context)?;
    let reader = Reader { since: since.clone(), by: args.by, ..Reader::default() };
    let reader = reader.read_all(&log::files(&state)?)?;
    if reader.skipped > 0 {
        context.warn(&format!(
            "{} lines of the call log are not calls; cck audit --check says which",
            reader.skipped
        ));
    }
    let mut total = Sum::default();
    reader.sums.values().for_each(|sum| total.add(sum));
    let mut rows: Vec<Row> = reader.sums.into_iter().map(|(key, sum)| Row { key, sum }).collect();
    rows.sort_by(|a, b| match args.by {
        By::Day => a.key.cmp(&b.key),
        _ => b.sum.cost_usd.total_cmp(&a.sum.cost_usd).then_with(|| a.key.cmp(&b.key)),
    });
    let report =
        Report { schema: 1, since, by: args.by, rows, total, budgets: budgets(&state, context)? };
    if args.json {
        context.say_json(&report)?;
    } else {
        print(&report, context);
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
    let wrong = || {
        fail(
            format!("--since {text} is not a time"),
            "write a duration (7d, 12h) or a date (2026-11-01)",
        )
    };
    let moment = match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        Ok(date) => {
            let midnight = date
                .and_hms_opt(0, 0, 0)
                .and_then(|time| time.and_local_timezone(Local).earliest());
            SystemTime::from(midnight.ok_or_else(wrong)?)
        }
        Err(_) => {
            let back = humantime::parse_duration(text).map_err(|_| wrong())?;
            SystemTime::now().checked_sub(back).ok_or_else(wrong)?
        }
    };
    let moment = moment.max(SystemTime::UNIX_EPOCH);
    let is_sane = moment < SystemTime::UNIX_EPOCH + Duration::from_secs(250_000_000_000);
    if !is_sane {
        return Err(wrong());
    }
    Ok(humantime::format_rfc3339_millis(moment).to_string())
}

#[derive(Clone, Default)]
struct Reader {
    since: String,
    by: By,
    sums: BTreeMap<String, Sum>,
    /// The local day of each quarter of an hour: no time zone differs by less.
    days: HashMap<[u8; 15], String>,
    skipped: usize,
}

#[expect(clippy::derivable_impls, reason = "the order of the variants is that of the help")]
impl Default for By {
    fn default() -> By {
        By::Day
    }
}

impl Reader {
    /// Reads the log, each block of it in one of as many threads as there are processors.
    fn read_all(mut self, files: &[PathBuf]) -> anyhow::Result<Reader> {
        let workers = thread::available_parallelism().map_or(1, usize::from).min(8);
        let (blocks, waiting) = sync_channel::<Vec<u8>>(workers);
        let waiting = Mutex::new(waiting);
        let work = |mut reader: Reader| {
            loop {
                let block = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(block) = block else { return reader };
                block.split(|&byte| byte == b'\n').for_each(|line| reader.line(line));
            }
        };
        let read = thread::scope(|scope| {
            let work = &work;
            let workers: Vec<_> = (0..workers)
                .map(|_| self.clone())
                .map(|reader| scope.spawn(move || work(reader)))
                .collect();
            let read = files.iter().try_for_each(|file| {
                feed(file, &blocks).with_context(|| format!("cannot read {}", file.display()))
            });
            drop(blocks);
            for worker in workers {
                let Ok(part) = worker.join() else { continue };
                self.skipped += part.skipped;
                for (key, sum) in part.sums {
                    self.sums.entry(key).or_default().add(&sum);
                }
            }
            read
        });
        read.map(|()| self)
    }

    fn line(&mut self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        // Most of a long log is older than what is asked for; `time` is its first member.
        let time = line.strip_prefix(b"{\"time\":\"").and_then(|rest| rest.get(..self.since.len()));
        if time.is_some_and(|time| time < self.since.as_bytes()) {
            return;
        }
        let Ok(line) = serde_json::from_slice::<Line<'_>>(line) else {
            self.skipped += 1;
            return;
        };
        if matches!(line.decision, "started" | "refused") || *line.time < *self.since {
            return;
        }
        let sum = Sum {
            calls: 1,
            input_tokens: line.input_tokens,
            output_tokens: line.output_tokens,
            cache_read_tokens: line.cache_read_tokens,
            cache_write_tokens: line
                .cache_write_5m_tokens
                .saturating_add(line.cache_write_1h_tokens),
            cost_usd: line.cost_usd,
        };
        let key = match self.by {
            By::Day => self.day(line.time).into(),
            By::Model => line.model.unwrap_or("(none)".into()),
            By::Profile => line.profile.unwrap_or("(none)".into()),
            By::Project => line.project.unwrap_or("(none)".into()),
            By::Session => line.session.unwrap_or("(none)".into()),
            By::Key => line.key.unwrap_or("(none)".into()),
        };
        match self.sums.get_mut(&*key) {
            Some(known) => known.add(&sum),
            None => _ = self.sums.insert(key.into_owned(), sum),
        }
    }

    /// The local day of a moment.
    fn day(&mut self, time: &str) -> String {
        // 2026-11-25T23:5 and which half of these ten minutes.
        let quarter = || {
            let minute: u8 = time.get(14..16)?.parse().ok()?;
            let mut name = [0; 15];
            name[..14].copy_from_slice(time.as_bytes().get(..14)?);
            name[14] = minute / 15;
            Some(name)
        };
        let parse = || {
            let time = DateTime::parse_from_rfc3339(time).ok()?.with_timezone(&Local);
            Some(time.format("%Y-%m-%d").to_string())
        };
        let day = || parse().unwrap_or_else(|| "(none)".to_owned());
        match quarter() {
            Some(quarter) => self.days.entry(quarter).or_insert_with(day).clone(),
            None => day(),
        }
    }
}

/// Sends a file in blocks of whole lines. What has no line end is being written.
fn feed(path: &Path, blocks: &SyncSender<Vec<u8>>) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    let mut block = Vec::with_capacity(2 * BLOCK);
    loop {
        let read = (&mut file).take(BLOCK as u64).read_to_end(&mut block)?;
        let end = memchr::memrchr(b'\n', &block).map_or(0, |at| at + 1);
        let rest = block.split_off(end);
        // The workers end with this function's caller.
        _ = blocks.send(std::mem::replace(&mut block, Vec::with_capacity(2 * BLOCK)));
        block.extend_from_slice(&rest);
        if read == 0 {
            return Ok(());
        }
    }
}

/// The budgets of the profiles, and what was used of them.
fn budgets(state: &Path, context: &Context) -> anyhow::Result<Vec<BudgetRow>> {
    let (now, mut rows) = (Local::now(), Vec::new());
    for profile in Profiles::load(context)?.list {
        let store = Store::new(state, Some(&profile.name));
        for budget in &profile.entry.budget {
            // What a run may use is the run's own.
            let Some(used) = budget.stored(&store.load()?, now.naive_local()) else { continue };
            let mut ledger = Ledger::new(vec![budget.clone()], Some(store.clone()), None)?;
            rows.push(BudgetRow {
                profile: profile.name.clone(),
                budget: budget.text.clone(),
                left: ledger.left(now).concat(),
                used,
                amount: budget.amount,
                unit: match budget.unit {
                    Unit::Usd => "usd",
                    Unit::Tokens => "tok",
                },
            });
        }
    }
    Ok(rows)
}

fn print(report: &Report, context: &mut Context) {
    if report.rows.is_empty() {
        context.say("no calls were logged in this time; cck run logs what goes through it");
    } else {
        let tokens = |sum: &Sum| budget::show(sum.of(Unit::Tokens), Unit::Tokens);
        let shorten = |key: &str| {
            let key = one_line(key);
            let count = key.chars().count();
            if count <= WIDEST {
                return key;
            }
            // Of a path the end says most.
            std::iter::once('…').chain(key.chars().skip(count - WIDEST + 1)).collect()
        };
        let names: Vec<String> = report.rows.iter().map(|row| shorten(&row.key)).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
        let most = report.rows.iter().map(|row| row.sum.cost_usd).fold(0.0, f64::max);
        let mut text = String::new();
        for (name, Row { sum, .. }) in names.iter().zip(&report.rows) {
            let share = if most > 0.0 { sum.cost_usd / most } else { 0.0 };
            let bar = "█".repeat((share * BAR as f64).round() as usize);
            _ = writeln!(
                text,
                "{name:<width$}  {:>7} calls  {:>12}  {:>10.2} usd  {bar}",
                sum.calls,
                tokens(sum),
                sum.cost_usd
            );
        }
        let sum = &report.total;
        _ = writeln!(
            text,
            "{:<width$}  {:>7} calls  {:>12}  {:>10.2} usd",
            "total",
            sum.calls,
            tokens(sum),
            sum.cost_usd
        );
        context.out.push_str(&text);
    }
    for row in &report.budgets {
        context.say(format!("{}: {}", row.profile, row.left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(by: By, lines: &[&str]) -> Vec<(String, u64, u64)> {
        let mut reader =
            Reader { since: "2026-11-20T00:00:00.000Z".into(), by, ..Reader::default() };
        lines.iter().for_each(|line| reader.line(line.as_bytes()));
        let rows = reader.sums.into_iter();
        rows.map(|(key, sum)| (key, sum.calls, sum.input_tokens)).collect()
    }

    fn line(time: &str, decision: &str, model: &str) -> String {
        format!(
            r#"{{"time":"{time}","decision":"{decision}","model":"{model}","project":"/a\"b","input_tokens":2,"output_tokens":0,"cache_read_tokens":0,"cache_write_5m_tokens":0,"cache_write_1h_tokens":0,"cost_usd":0.5}}"#
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
        assert_eq!(read(By::Project, &lines), [("/a\"b".into(), 3, 6)]);
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
