//! Medians, the slope of time against size, and the plot of it.

use std::fmt::Write;

/// The middle of the times.
pub fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    match times.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => times[count / 2],
        count => f64::midpoint(times[count / 2 - 1], times[count / 2]),
    }
}

/// The exponent of growth: the slope of a least-squares line through the logarithms.
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let (mx, my) =
        logs.iter().fold((0.0, 0.0), |sum, (x, y)| (sum.0 + x / count, sum.1 + y / count));
    let over: f64 = logs.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
    over / logs.iter().map(|(x, _)| (x - mx).powi(2)).sum::<f64>()
}

/// Time in seconds against size in bytes, both logarithmic, a line for each name.
pub fn plot(lines: &[(&str, Vec<(f64, f64)>)]) -> String {
    const COLOURS: [&str; 6] = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b", "#7f7f7f"];
    let all = || lines.iter().flat_map(|(_, points)| points);
    let bounds = |of: fn(&(f64, f64)) -> f64| {
        let logs = all().map(|point| of(point).log10());
        logs.fold((f64::MAX, f64::MIN), |(low, high), log| {
            (low.min(log.floor()), high.max(log.ceil()))
        })
    };
    let ((left, right), (low, high)) = (bounds(|point| point.0), bounds(|point| point.1));
    let x = |log: f64| 70.0 + (log - left) / (right - left) * 500.0;
    let y = |log: f64| 370.0 - (log - low) / (high - low) * 340.0;
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 420\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"760\" height=\"420\" fill=\"white\"/>\n",
    );
    for log in left as i32..=right as i32 {
        let at = x(f64::from(log));
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} 30V370\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"388\" text-anchor=\"middle\">1e{log}</text>"
        );
    }
    for log in low as i32..=high as i32 {
        let at = y(f64::from(log));
        let _ = writeln!(
            svg,
            "<path d=\"M70 {at:.1}H570\" stroke=\"#ddd\"/><text x=\"62\" y=\"{:.1}\" text-anchor=\"end\">1e{log}</text>",
            at + 4.0
        );
    }
    svg.push_str("<text x=\"320\" y=\"410\" text-anchor=\"middle\">bytes</text><text x=\"14\" y=\"200\" transform=\"rotate(-90 14 200)\" text-anchor=\"middle\">seconds</text>\n");
    for ((name, points), (row, colour)) in lines.iter().zip(COLOURS.iter().cycle().enumerate()) {
        let path: Vec<String> = points
            .iter()
            .map(|(size, time)| format!("{:.1} {:.1}", x(size.log10()), y(time.log10())))
            .collect();
        let at = 45 + 18 * row;
        let _ = writeln!(
            svg,
            "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <path d=\"M585 {}h20\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"610\" y=\"{at}\">{name}</text>",
            path.join("L"),
            at - 4,
        );
    }
    svg.push_str("</svg>\n");
    svg
}
