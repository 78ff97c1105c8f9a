//! What a call costs: the price list that cck carries, and the user's own over it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use toml_edit::{DocumentMut, Item, de};
use wildmatch::WildMatch;

use super::meter::Usage;
use crate::context::Context;
use crate::error::fail;
use crate::private;

const LIST: &str = include_str!("prices.toml");

/// A price list, in US dollars for a million tokens. What the plain values are is said in the list.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Prices {
    /// When the list was right; with the user's own, both dates.
    pub(crate) date: Arc<str>,
    cache_read: Price,
    cache_write_5m: Price,
    cache_write_1h: Price,
    us_only: Price,
    fast: Price,
    web_search: Price,
    /// By the pattern of their names.
    models: BTreeMap<String, Model>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Model {
    input: Price,
    output: Price,
    cache_read: Option<Price>,
    long_prompt: Option<LongPrompt>,
}

/// Above so many tokens of prompt, other prices.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LongPrompt {
    over: u64,
    input: Price,
    output: Price,
}

/// A number that is never below zero, which would fill a budget up again.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "f64")]
struct Price(f64);

impl TryFrom<f64> for Price {
    type Error = &'static str;

    fn try_from(price: f64) -> Result<Price, &'static str> {
        let is_one = price.is_finite() && price >= 0.0;
        is_one.then_some(Price(price)).ok_or("a price is a number from 0")
    }
}

/// What the request asks for that changes its price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) us_only: bool,
    pub(crate) fast: bool,
}

/// Read when the first call is to be paid for: many a run makes none.
pub(crate) type LazyPrices = LazyLock<Prices, Box<dyn FnOnce() -> Prices + Send>>;

impl Prices {
    /// The list that cck carries, with `~/.config/cck/prices.toml` over it.
    pub(crate) fn load(context: &Context) -> anyhow::Result<LazyPrices> {
        // Without a home the user has no list.
        let file = context.config_home().map(|dir| dir.join("cck/prices.toml"));
        let own = file.as_ref().ok().map(|file| private::read(file)).transpose()?.flatten();
        let own = own.map(|own| Prices::over(&own)).transpose().map_err(|problem| {
            fail(
                format!("{}: {problem}", file.unwrap_or_default().display()),
                "correct the file, or move it aside; docs/run.md shows its form",
            )
        })?;
        let carried = || Prices::over(b"").expect("a tested list");
        Ok(LazyLock::new(Box::new(move || own.unwrap_or_else(carried))))
    }

    /// The list that cck carries, with the values of this one over it.
    fn over(text: &[u8]) -> Result<Prices, String> {
        let flat = |message: &str| message.replace('\n', ", ");
        let parse = |text: &str| text.parse::<DocumentMut>().map_err(|error| flat(error.message()));
        let mut list = parse(LIST)?;
        let own = parse(std::str::from_utf8(text).map_err(|_| "it is not UTF-8 text")?)?;
        for (name, item) in own.as_table() {
            let models = list.get_mut(name).and_then(Item::as_table_like_mut);
            if let (Some(models), Some(own)) = (models, item.as_table_like()) {
                own.iter().for_each(|(name, model)| _ = models.insert(name, model.clone()));
            } else if let ("date", Some(date)) = (name, item.as_str()) {
                list["date"] =
                    format!("{}+{date}", list["date"].as_str().unwrap_or_default()).into();
            } else {
                list.insert(name, item.clone());
            }
        }
        de::from_document(list).map_err(|error: de::Error| flat(error.message()))
    }

    fn find(&self, model: &str) -> Option<&Model> {
        let name = base_name(model);
        // An exact name comes before a pattern.
        self.models.get(name).or_else(|| {
            let mut models = self.models.iter();
            models.find(|(pattern, _)| WildMatch::new(pattern).matches(name)).map(|it| it.1)
        })
    }

    /// What this usage costs, in US dollars, of the first of these models that is in the list, else of the dearest.
    pub(crate) fn cost(&self, models: [Option<&str>; 2], usage: &Usage, terms: Terms) -> f64 {
        let tokens = match models.into_iter().flatten().find_map(|model| self.find(model)) {
            Some(model) => self.tokens(model, usage),
            None => self.models.values().map(|model| self.tokens(model, usage)).fold(0.0, f64::max),
        };
        let us_only = if terms.us_only { self.us_only.0 } else { 1.0 };
        let fast = if terms.fast { self.fast.0 } else { 1.0 };
        tokens * us_only * fast + usage.web_searches as f64 * self.web_search.0
    }

    fn tokens(&self, model: &Model, usage: &Usage) -> f64 {
        let (input, output) = match &model.long_prompt {
            Some(long) if usage.prompt() > long.over => (long.input, long.output),
            _ => (model.input, model.output),
        };
        let prompt = usage.input as f64
            + usage.cache_read as f64 * model.cache_read.unwrap_or(self.cache_read).0
            + usage.cache_write_5m as f64 * self.cache_write_5m.0
            + usage.cache_write_1h as f64 * self.cache_write_1h.0;
        (prompt * input.0 + usage.output as f64 * output.0) / 1e6
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> Prices {
        Prices::over(b"").unwrap()
    }

    fn close(one: f64, other: f64) {
        assert!((one - other).abs() < 1e-9, "{one} is not {other}");
    }

    #[test]
    fn a_call_costs_what_the_list_says() {
        let prices = prices();
        let million = 1_000_000;
        let cost =
            |model: &str, usage: Usage| prices.cost([Some(model), None], &usage, Terms::default());
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
        close(prices.cost([Some("claude-opus-5"), None], &input, both), 5.0 * 1.1 * 2.0);
        let asked = [Some("another"), Some("claude-opus-5")];
        close(prices.cost(asked, &input, Terms::default()), 5.0);
    }

    #[test]
    fn a_long_prompt_costs_more_as_a_whole() {
        let prices = prices();
        let usage =
            |input, cache_read| Usage { input, cache_read, output: 1000, ..Usage::default() };
        let cost = |usage| prices.cost([Some("claude-haiku-5-5"), None], &usage, Terms::default());
        close(cost(usage(100_000, 0)), (100_000.0 * 0.10 + 1000.0 * 0.50) / 1e6);
        close(cost(usage(100_000, 10)), ((100_000.0 + 1.0) * 0.50 + 1000.0 * 2.50) / 1e6);
    }

    #[test]
    fn the_users_list_lies_over_it() {
        let list = "date = 'mine'\nweb-search = 1\nmodels.gpt = { input = 0, output = 1 }\n[models.claude-haiku-4-5]\ninput = 7\noutput = 1.5\n";
        let prices = Prices::over(list.as_bytes()).unwrap();
        let usage = Usage { output: 1_000_000, web_searches: 1, ..Usage::default() };
        close(prices.cost([Some("gpt"), None], &usage, Terms::default()), 2.0);
        close(prices.cost([Some("claude-haiku-4-5"), None], &usage, Terms::default()), 2.5);
        close(prices.cost([Some("claude-haiku-5-5"), None], &usage, Terms::default()), 1.5);
        assert_eq!(&*prices.date, "2026-10+mine");
        for text in [
            "x = 1",
            "date = 1",
            "fast = 'a'",
            "fast = -1",
            "fast = inf",
            "[models.a]\ninput = 1",
            "[models.a]\ninput = 1\noutput = 1\nx = 1",
            "[models.a]\ninput = 1\noutput = 1\nlong-prompt = { over = 1, input = 1 }",
            "models = 1",
            "[",
            "\u{0}",
        ] {
            assert!(Prices::over(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Prices::over(b"\xff").is_err());
    }
}
