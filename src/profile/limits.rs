//! What a profile allows its runs to use.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// Stop at this amount: 5usd/day, 200ktok, 9Mtok/month
    #[arg(long, value_name = "AMOUNT[/PERIOD]")]
    pub budget: Vec<Budget>,
    /// Allow only models of this name, with * and ?
    #[arg(long, value_name = "GLOB")]
    pub allow_model: Vec<String>,
    /// Run this shell command for each alert, with the alert as JSON on its input
    #[arg(long, value_name = "CMD", hide_short_help = true)]
    pub on_alert: Option<String>,
    /// Refuse calls that cannot be logged
    #[arg(long, hide_short_help = true)]
    pub require_log: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Usd,
    Tokens,
}

/// How long a budget is for, in local time; a week begins on Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Period {
    Run,
    Hour,
    Day,
    Week,
    Month,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Budget {
    pub(crate) amount: f64,
    pub(crate) unit: Unit,
    pub(crate) period: Period,
    pub(crate) text: String,
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Budget, String> {
        let wrong = || format!("`{text}` is not a budget such as 5usd/day, 200ktok or 9Mtok/month");
        let (amount, period) = text.split_once('/').unwrap_or((text, "run"));
        let (amount, unit) = parse_amount(amount).ok_or_else(wrong)?;
        let period = Period::from_str(period, false).map_err(|_| wrong())?;
        Ok(Budget { amount, unit, period, text: text.to_owned() })
    }
}

impl TryFrom<String> for Budget {
    type Error = String;

    fn try_from(text: String) -> Result<Budget, String> {
        text.parse()
    }
}

impl From<Budget> for String {
    fn from(budget: Budget) -> String {
        budget.text
    }
}

pub(crate) fn parse_amount(text: &str) -> Option<(f64, Unit)> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (unit, factor) = match text[digits..].trim_start() {
        "usd" => (Unit::Usd, 1.0),
        "tok" => (Unit::Tokens, 1.0),
        "ktok" => (Unit::Tokens, 1e3),
        "Mtok" => (Unit::Tokens, 1e6),
        _ => return None,
    };
    let number: f64 = text[..digits].parse().ok()?;
    (number > 0.0 && number.is_finite()).then_some((number * factor, unit))
}
