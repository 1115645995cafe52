//! Draws curves as SVG, both axes logarithmic.

use std::fmt::Write;

use crate::growth::Growth;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 50.0;
/// From one line of text to the next.
const LINE: f64 = 15.0;
const COLOURS: [&str; 5] = ["#b3261e", "#1f5fa8", "#3a7d34", "#7a4ea3", "#8a6d1d"];

/// The picture.
pub fn svg(growth: &Growth) -> String {
    let points = || growth.curves.iter().flat_map(|(_, points)| points);
    let decades = |values: Vec<f64>| {
        let positive = values.into_iter().filter(|value| *value > 0.0);
        let (low, high) = positive.fold((f64::MAX, f64::MIN), |(low, high), value| {
            (
                low.min(value.log10().floor()),
                high.max(value.log10().ceil()),
            )
        });
        if low < high { (low, high) } else { (0.0, 1.0) }
    };
    let across = decades(points().map(|point| point.0).collect());
    let up = decades(points().map(|point| point.1).collect());
    let x = |value: f64| {
        LEFT + (value.max(1e-9).log10() - across.0) / (across.1 - across.0) * (WIDTH - LEFT - RIGHT)
    };
    let y = |value: f64| {
        HEIGHT - BOTTOM - (value.max(1e-9).log10() - up.0) / (up.1 - up.0) * (HEIGHT - TOP - BOTTOM)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    svg.push_str(&grid(across, up, &x, &y));
    let mut labels = Vec::new();
    for ((name, points), colour) in growth.curves.iter().zip(COLOURS) {
        let drawn: Vec<_> = points.iter().filter(|point| point.1 > 0.0).collect();
        let path: Vec<String> = drawn
            .iter()
            .map(|(across, up)| format!("{:.1},{:.1}", x(*across), y(*up)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        if let Some((_, up)) = drawn.last() {
            labels.push((y(*up), *name, colour));
        }
    }
    svg.push_str(&legend(labels));
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    let _ = writeln!(
        svg,
        "<text x=\"{middle}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n\
         <text x=\"{LEFT}\" y=\"13\">{}</text>\n</svg>",
        HEIGHT - 10.0,
        growth.across,
        growth.up
    );
    svg
}

/// The names of the curves, each as near to the end of its curve as the others let it.
fn legend(mut labels: Vec<(f64, &str, &str)>) -> String {
    labels.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut svg = String::new();
    let mut above = TOP;
    // As many as come below it must have room.
    let mut below = labels.len() as f64 * LINE;
    for (level, name, colour) in labels {
        let lowest = HEIGHT - BOTTOM + LINE - below;
        above = level.min(lowest).max(above + LINE);
        below -= LINE;
        let at = WIDTH - RIGHT + 8.0;
        let _ = writeln!(
            svg,
            "<text x=\"{at:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
            above + 4.0
        );
    }
    svg
}

/// The lines of the decades, with their values.
fn grid(
    across: (f64, f64),
    up: (f64, f64),
    x: &dyn Fn(f64) -> f64,
    y: &dyn Fn(f64) -> f64,
) -> String {
    let mut svg = String::new();
    for decade in across.0 as i32..=across.1 as i32 {
        let (at, value) = (x(10_f64.powi(decade)), 10_f64.powi(decade));
        let (top, bottom) = (TOP, HEIGHT - BOTTOM);
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" y1=\"{top}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{value}</text>",
            bottom + 16.0
        );
    }
    for decade in up.0 as i32..=up.1 as i32 {
        let (at, value) = (y(10_f64.powi(decade)), 10_f64.powi(decade));
        let right = WIDTH - RIGHT;
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
            LEFT - 6.0,
            at + 4.0
        );
    }
    svg
}
