//! What a call costs: the price list that cck carries, and the user's own over it.

use std::collections::BTreeMap;
use std::path::Path;

use toml_edit::{Document, TableLike};

use super::glob;
use super::meter::Usage;
use crate::context::Context;
use crate::error::fail;
use crate::private;

/// The price list of this cck.
const LIST: &str = include_str!("prices.toml");

/// The plain values of a list.
const PLAIN: [&str; 6] =
    ["cache-read", "cache-write-5m", "cache-write-1h", "us-only", "fast", "web-search"];

/// One model: US dollars for a million tokens.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    input: f64,
    output: f64,
    cache_read: Option<f64>,
    /// Above so many tokens of prompt, other prices.
    long_prompt: Option<(u64, f64, f64)>,
}

/// A price list.
#[derive(Clone, Debug)]
pub(crate) struct Prices {
    /// When the list was right; with the user's own, both dates.
    pub(crate) date: String,
    plain: BTreeMap<String, f64>,
    /// By the pattern of their names.
    models: BTreeMap<String, Model>,
}

/// What the request asks for that changes its price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) us_only: bool,
    pub(crate) fast: bool,
}

impl Prices {
    /// The list that cck carries, with `~/.config/cck/prices.toml` over it.
    pub(crate) fn load(context: &Context) -> anyhow::Result<Prices> {
        let mut prices =
            Prices { date: String::new(), plain: BTreeMap::new(), models: BTreeMap::new() };
        prices.lay(LIST).map_err(anyhow::Error::msg)?;
        // Without a home the user has no list.
        let Ok(file) = context.config_home().map(|dir| dir.join("cck/prices.toml")) else {
            return Ok(prices);
        };
        if let Some(text) = private::read(&file)? {
            let problem = match std::str::from_utf8(&text) {
                Ok(text) => prices.lay(text).err(),
                Err(_) => Some("it is not UTF-8 text".to_owned()),
            };
            if let Some(problem) = problem {
                return Err(malformed(&file, &problem));
            }
        }
        Ok(prices)
    }

    /// Lays the values of a list over those that are there.
    fn lay(&mut self, text: &str) -> Result<(), String> {
        let list = Document::parse(text).map_err(|error| error.message().replace('\n', ", "))?;
        for (name, item) in list.iter() {
            match name {
                "date" => {
                    let date = item.as_str().ok_or("`date` is not a text")?;
                    let separator = if self.date.is_empty() { "" } else { "+" };
                    self.date = format!("{}{separator}{date}", self.date);
                }
                "models" => {
                    let models = item.as_table_like().ok_or("`models` is not a table")?;
                    for (pattern, item) in models.iter() {
                        let model = item
                            .as_table_like()
                            .ok_or_else(|| format!("{pattern} is not a table"))?;
                        let model =
                            Model::parse(model).map_err(|why| format!("{pattern}: {why}"))?;
                        self.models.insert(pattern.to_owned(), model);
                    }
                }
                name if PLAIN.contains(&name) => {
                    self.plain.insert(name.to_owned(), number(list.as_table(), name)?);
                }
                name => return Err(format!("unknown member `{name}`")),
            }
        }
        Ok(())
    }

    fn plain(&self, name: &str) -> f64 {
        self.plain.get(name).copied().unwrap_or(1.0)
    }

    /// Whether the list has this model.
    pub(crate) fn knows(&self, model: &str) -> bool {
        self.find(model).is_some()
    }

    fn find(&self, model: &str) -> Option<&Model> {
        let name = base_name(model);
        // An exact name comes before a pattern.
        self.models.get(name).or_else(|| {
            self.models.iter().find(|(pattern, _)| glob(pattern, name)).map(|(_, model)| model)
        })
    }

    /// What this usage costs, in US dollars; of a model that is not in the list, as much as of the dearest.
    pub(crate) fn cost(&self, model: &str, usage: &Usage, terms: Terms) -> f64 {
        let tokens = match self.find(model) {
            Some(model) => self.tokens(model, usage),
            None => self.models.values().map(|model| self.tokens(model, usage)).fold(0.0, f64::max),
        };
        let us_only = if terms.us_only { self.plain("us-only") } else { 1.0 };
        let fast = if terms.fast { self.plain("fast") } else { 1.0 };
        tokens * us_only * fast + usage.web_searches as f64 * self.plain("web-search")
    }

    fn tokens(&self, model: &Model, usage: &Usage) -> f64 {
        let (input, output) = match model.long_prompt {
            Some((over, input, output)) if usage.prompt() > over => (input, output),
            _ => (model.input, model.output),
        };
        let read = model.cache_read.unwrap_or_else(|| self.plain("cache-read"));
        let prompt = usage.input as f64
            + usage.cache_read as f64 * read
            + usage.cache_write_5m as f64 * self.plain("cache-write-5m")
            + usage.cache_write_1h as f64 * self.plain("cache-write-1h");
        (prompt * input + usage.output as f64 * output) / 1e6
    }
}

impl Model {
    fn parse(table: &dyn TableLike) -> Result<Model, String> {
        let mut model = Model {
            input: number(table, "input")?,
            output: number(table, "output")?,
            cache_read: None,
            long_prompt: None,
        };
        for (name, item) in table.iter() {
            match name {
                "input" | "output" => {}
                "cache-read" => model.cache_read = Some(number(table, name)?),
                "long-prompt" => {
                    let long = item.as_table_like().ok_or("`long-prompt` is not a table")?;
                    let over = number(long, "over")? as u64;
                    model.long_prompt =
                        Some((over, number(long, "input")?, number(long, "output")?));
                }
                name => return Err(format!("unknown member `{name}`")),
            }
        }
        Ok(model)
    }
}

/// A price: never below zero, which would fill a budget up again.
fn number(table: &dyn TableLike, name: &str) -> Result<f64, String> {
    let item = table.get(name).ok_or_else(|| format!("`{name}` is missing"))?;
    let value = item.as_float().or_else(|| item.as_integer().map(|value| value as f64));
    value
        .filter(|value| value.is_finite() && *value >= 0.0)
        .ok_or_else(|| format!("`{name}` is not a number from 0"))
}

/// A model's name without the provider before it, and without a date, an alias or a context size after it.
fn base_name(model: &str) -> &str {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.split(['[', '@']).next().unwrap_or(name);
    match name.rsplit_once('-') {
        Some((name, "latest")) => name,
        Some((name, date)) if date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => name,
    }
}

fn malformed(file: &Path, problem: &str) -> anyhow::Error {
    fail(
        format!("{}: {problem}", file.display()),
        "correct the file, or move it aside; docs/run.md shows its form",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> Prices {
        let mut prices =
            Prices { date: String::new(), plain: BTreeMap::new(), models: BTreeMap::new() };
        prices.lay(LIST).unwrap();
        prices
    }

    fn close(one: f64, other: f64) {
        assert!((one - other).abs() < 1e-9, "{one} is not {other}");
    }

    #[test]
    fn a_call_costs_what_the_list_says() {
        let prices = prices();
        let million = 1_000_000;
        let cost = |model: &str, usage: Usage| prices.cost(model, &usage, Terms::default());
        let input = Usage { input: million, ..Usage::default() };
        let output = Usage { output: million, ..Usage::default() };
        for (model, into, out) in [
            ("claude-opus-5-5-20260901", 4.0, 20.0),
            ("claude-opus-5", 5.0, 25.0),
            ("anthropic/claude-opus-4-7[1m]", 5.0, 25.0),
            ("claude-sonnet-5-5-latest", 2.0, 10.0),
            ("claude-fable-5-1", 10.0, 50.0),
            ("claude-haiku-4-5@20251001", 1.0, 5.0),
            // Unknown: the dearest.
            ("another-vendors-model", 10.0, 50.0),
            ("claude-opus-5-5-5", 10.0, 50.0),
        ] {
            close(cost(model, input), into);
            close(cost(model, output), out);
        }
        let cached = Usage {
            cache_read: million,
            cache_write_5m: million,
            cache_write_1h: million,
            ..Usage::default()
        };
        close(cost("claude-opus-5", cached), 5.0 * (0.1 + 1.25 + 2.0));
        close(cost("claude-opus-5-5", cached), 4.0 * (0.05 + 1.25 + 2.0));
        close(cost("claude-opus-5", Usage { web_searches: 3, ..Usage::default() }), 0.03);
        let both = Terms { us_only: true, fast: true };
        close(prices.cost("claude-opus-5", &input, both), 5.0 * 1.1 * 2.0);
    }

    #[test]
    fn a_long_prompt_costs_more_as_a_whole() {
        let prices = prices();
        let usage =
            |input, cache_read| Usage { input, cache_read, output: 1000, ..Usage::default() };
        let cost = |usage| prices.cost("claude-haiku-5-5", &usage, Terms::default());
        close(cost(usage(100_000, 0)), (100_000.0 * 0.10 + 1000.0 * 0.50) / 1e6);
        close(cost(usage(100_000, 10)), ((100_000.0 + 1.0) * 0.50 + 1000.0 * 2.50) / 1e6);
    }

    #[test]
    fn the_users_list_lies_over_it() {
        let mut prices = prices();
        prices.lay("date = 'mine'\nweb-search = 1\n[models.gpt]\ninput = 0\noutput = 1\n").unwrap();
        let usage = Usage { output: 1_000_000, web_searches: 1, ..Usage::default() };
        close(prices.cost("gpt", &usage, Terms::default()), 2.0);
        assert_eq!(prices.date, "2026-10+mine");
        for text in ["x = 1", "fast = 'a'", "fast = -1", "[models.a]\ninput = 1", "models = 1", "["]
        {
            assert!(prices.lay(text).is_err(), "{text}");
        }
    }
}
