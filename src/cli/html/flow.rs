//! Bands from what there was to what became of it, as wide as there are many.

use maud::{Markup, html};

use super::charts::{as_f64_unsigned as float, number};
use crate::cli::output::count;

/// In the picture's own units, which are pixels on a phone.
const WIDTH: f64 = 360.0;
const LEFT: f64 = 104.0;
const RIGHT: f64 = 250.0;
const NODE: f64 = 6.0;
const GAP: f64 = 14.0;
/// What all records together are tall.
const TALL: f64 = 150.0;
/// The least that can still be seen.
const LEAST: f64 = 1.0;
/// Letters of a name that there is room for.
const LETTERS: usize = 17;

/// Where a band ends.
pub(in crate::cli) struct End {
    pub(in crate::cli) label: String,
    /// What it is painted with.
    pub(in crate::cli) class: &'static str,
}

/// A bar with its place.
struct Node {
    top: f64,
    height: f64,
    total: u64,
    /// How far down the next band begins.
    used: f64,
}

/// Draws each start's parts, one an end; starts and ends without any are left out.
pub(in crate::cli) fn flow(starts: &[(String, Vec<u64>)], ends: &[End], name: &str) -> Markup {
    let starts: Vec<&(String, Vec<u64>)> =
        starts.iter().filter(|(_, parts)| parts.iter().sum::<u64>() > 0).collect();
    let total: u64 = starts.iter().flat_map(|(_, parts)| parts).sum();
    if total == 0 {
        return html! {};
    }
    let scale = TALL / float(total);
    let thick = |part: u64| (float(part) * scale).max(LEAST);
    let left_parts: Vec<Vec<u64>> = starts.iter().map(|(_, parts)| parts.clone()).collect();
    let right_parts: Vec<Vec<u64>> =
        (0..ends.len()).map(|end| starts.iter().map(|(_, parts)| parts[end]).collect()).collect();
    let (mut left, mut right) = (nodes(&left_parts, thick), nodes(&right_parts, thick));
    let bottom = |nodes: &[Node]| nodes.iter().map(|node| node.top + node.height).fold(0.0, f64::max);
    let height = bottom(&left).max(bottom(&right)) + GAP;
    let mut bands = Vec::new();
    for (start, (label, parts)) in starts.iter().enumerate() {
        for (end, part) in parts.iter().enumerate().filter(|(_, part)| **part > 0) {
            let thick = thick(*part);
            let path = band(&mut left[start], &mut right[end], thick);
            bands.push((path, ends[end].class, format!("{label} → {}: {}", ends[end].label, count(*part))));
        }
    }
    html! {
        svg class="flow" viewBox=(format!("0 0 {WIDTH} {}", number(height))) role="img" aria-label=(name) {
            @for (path, class, text) in &bands { path class=(class) d=(path) { title { (text) } } }
            @for (node, (label, _)) in left.iter().zip(&starts) {
                rect class="node" x=(number(LEFT - NODE)) y=(number(node.top)) width=(number(NODE)) height=(number(node.height)) {}
                text x=(number(LEFT - NODE - 4.0)) y=(number(node.top + node.height / 2.0)) text-anchor="end" {
                    (shortened(label)) title { (label) ": " (count(node.total)) }
                }
            }
            @for (node, end) in right.iter().zip(ends).filter(|(node, _)| node.total > 0) {
                rect class=(end.class) x=(number(RIGHT)) y=(number(node.top)) width=(number(NODE)) height=(number(node.height)) {}
                text x=(number(RIGHT + NODE + 4.0)) y=(number(node.top + node.height / 2.0)) {
                    (end.label) " " tspan class="count" { (count(node.total)) }
                }
            }
        }
    }
}

fn nodes(parts: &[Vec<u64>], thick: impl Fn(u64) -> f64) -> Vec<Node> {
    let mut top = GAP / 2.0;
    let mut nodes = Vec::new();
    for parts in parts {
        let height: f64 = parts.iter().filter(|part| **part > 0).map(|part| thick(*part)).sum();
        nodes.push(Node { top, height, total: parts.iter().sum(), used: 0.0 });
        if height > 0.0 {
            top += height + GAP;
        }
    }
    nodes
}

/// A band between the next free places of two nodes.
fn band(from: &mut Node, to: &mut Node, thick: f64) -> String {
    let (start, end) = (from.top + from.used, to.top + to.used);
    from.used += thick;
    to.used += thick;
    let middle = f64::midpoint(LEFT, RIGHT);
    let n = number;
    format!(
        "M{l},{a} C{m},{a} {m},{b} {r},{b} L{r},{d} C{m},{d} {m},{c} {l},{c} Z",
        l = n(LEFT),
        r = n(RIGHT),
        m = n(middle),
        a = n(start),
        b = n(end),
        c = n(start + thick),
        d = n(end + thick),
    )
}

fn shortened(label: &str) -> String {
    match label.chars().count() > LETTERS {
        true => label.chars().take(LETTERS - 1).chain(['…']).collect(),
        false => label.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_band_and_nothing_lies_outside() {
        let ends: Vec<End> =
            ["a", "b", "c"].map(|label| End { label: label.to_owned(), class: "for" }).into();
        let starts = [
            ("patients".to_owned(), vec![1_000_000, 1, 0]),
            ("empty".to_owned(), vec![0, 0, 0]),
            ("a name that is much too long for it".to_owned(), vec![0, 5, 0]),
        ];
        let svg = flow(&starts, &ends, "what became of records").into_string();
        assert_eq!(svg.matches("<path").count(), 3, "{svg}");
        assert!(!svg.contains("empty") && !svg.contains(">c "), "{svg}");
        assert!(svg.contains("a name that is m…") && svg.contains("1,000,000"), "{svg}");
        assert!(flow(&[], &ends, "").into_string().is_empty());
    }
}
