//! The page and the chart.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// What was measured of one contender, in microseconds.
pub struct Row {
    pub what: String,
    pub who: &'static str,
    pub p50: f64,
    pub p99: f64,
    pub added_p50: f64,
    pub added_p99: f64,
}

#[derive(Default)]
pub struct Numbers {
    /// Of the machine, before.
    pub load: String,
    pub rows: Vec<Row>,
    /// Requests a second.
    pub rates: Vec<(&'static str, f64)>,
    /// The 99th percentile of the delay of an event in 100 streams, and the peak of the memory in MB.
    pub streams: Vec<(&'static str, f64, Option<f64>)>,
    /// The median request of LiteLLM.
    pub litellm: Option<f64>,
    /// Milliseconds of `cck run -- true` and of `/bin/true`.
    pub starts: (f64, f64),
    /// The megabytes of a log of 1,000,000 calls, and the seconds in which `cck usage` sums it.
    pub usage: (f64, f64),
}

const START: &str = "<!-- measured: broker -->\n";
const END: &str = "<!-- end: broker -->\n";

/// Prints the page; with `write` it replaces the part of docs/performance.md between its marks.
pub fn show(numbers: &Numbers, write: bool) {
    let page = page(numbers);
    println!("{page}");
    if !write {
        return;
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let file = docs.join("performance.md");
    let text = fs::read_to_string(&file).unwrap();
    let new = match text.split_once(START) {
        Some((before, rest)) => {
            let after = rest.split_once(END).unwrap().1;
            format!("{before}{START}{page}{END}{after}")
        }
        None => format!("{text}\n{START}{page}{END}"),
    };
    fs::write(file, new).unwrap();
    fs::write(docs.join("broker.svg"), chart(numbers)).unwrap();
}

fn page(numbers: &Numbers) -> String {
    let load = &numbers.load;
    let mut text = format!(
        "## The broker\n\nWritten by `CCK_TEST_BINARY=$PWD/dist/cck cargo bench --bench broker -- --write` after `.ci/static` (needs nginx and openssl;\n\
         load {load} at the start: above 1, other work was under way). A request of 22 kB, in µs; what is added to the direct way is what counts. Contenders take turns; medians of the rounds.\n\n\
         | what | through | p50 | p99 | added p50 | added p99 | times nginx (p50, p99) |\n|---|---|---|---|---|---|---|\n"
    );
    for row in &numbers.rows {
        let nginx =
            numbers.rows.iter().find(|other| other.what == row.what && other.who == "nginx");
        let ratio = match nginx {
            Some(nginx) if row.who == "cck" => {
                format!(
                    "{:.2}, {:.2}",
                    row.added_p50 / nginx.added_p50,
                    row.added_p99 / nginx.added_p99
                )
            }
            _ => String::new(),
        };
        _ = writeln!(
            text,
            "| {} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {ratio} |",
            row.what, row.who, row.p50, row.p99, row.added_p50, row.added_p99
        );
    }
    text.push_str("\n| through | requests a second, 32 connections | 100 streams: p99 of an event's delay, µs | peak memory, MB |\n|---|---|---|---|\n");
    for ((who, rate), (_, delay, memory)) in numbers.rates.iter().zip(&numbers.streams) {
        let memory = memory.map_or(String::new(), |memory| format!("{memory:.1}"));
        _ = writeln!(text, "| {who} | {rate:.0} | {delay:.0} | {memory} |");
    }
    if let Some(litellm) = numbers.litellm
        && let Some(direct) = numbers.rows.first()
        && let Some(cck) = numbers.rows.iter().find(|row| row.who == "cck")
    {
        let added = litellm - direct.p50;
        _ = writeln!(
            text,
            "\nLiteLLM adds {added:.0} µs to a request: {:.0} times as much as cck.",
            added / cck.added_p50
        );
    }
    let (run, bare) = numbers.starts;
    _ = writeln!(
        text,
        "\n`cck run -- true` takes {run:.2} ms, {:.2} times as long as `/bin/true` ({bare:.2} ms).",
        run / bare
    );
    let (size, seconds) = numbers.usage;
    _ = writeln!(
        text,
        "\n`cck usage` reads 1,000,000 calls ({size:.0} MB) in {seconds:.2} s (the best of three).\n\n![What the broker adds](broker.svg)"
    );
    text
}

/// Bars of the added medians.
fn chart(numbers: &Numbers) -> String {
    let rows: Vec<&Row> = numbers.rows.iter().filter(|row| row.who != "direct").collect();
    let most = rows.iter().map(|row| row.added_p50).fold(1.0, f64::max);
    let height = rows.len() * 24 + 40;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"720\" height=\"{height}\" fill=\"#fff\"/>\n<text x=\"10\" y=\"20\">Added to the median, µs</text>\n"
    );
    for (at, row) in rows.iter().enumerate() {
        let (y, width) = (at * 24 + 34, (row.added_p50.max(0.0) / most * 400.0).max(1.0));
        let colour = if row.who == "cck" { "#d97757" } else { "#8a8a8a" };
        _ = writeln!(
            svg,
            "<text x=\"10\" y=\"{}\">{}: {}</text><rect x=\"230\" y=\"{y}\" width=\"{width:.0}\" height=\"16\" fill=\"{colour}\"/><text x=\"{:.0}\" y=\"{}\">{:.0}</text>",
            y + 12,
            row.what,
            row.who,
            width + 236.0,
            y + 12,
            row.added_p50
        );
    }
    svg.push_str("</svg>\n");
    svg
}
