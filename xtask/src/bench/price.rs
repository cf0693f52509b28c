//! What each thing that is known of a call costs: calls on nothing, on a descriptor and on a path, with less and with more
//! asked of the tracer. What is not asked for must cost nothing.

use std::fmt::Write as _;

use super::contender::{Contender, Family, Reach, Spun};
use super::median;
use super::report::{Figure, spread, times};

/// What is asked, from nothing on.
fn asked(family: Family) -> [(Contender, &'static str); 9] {
    let tracer = |reach| Contender::Tracer(reach, family);
    [
        (Contender::Untraced, "untraced"),
        (Contender::Floor(family), "two empty programs"),
        (tracer(Reach::Bystander), "another process is traced"),
        (tracer(Reach::Host), "whole host: counts, latencies, errors"),
        (tracer(Reach::HostArguments), "whole host, `--args`: arguments, files, paths"),
        (tracer(Reach::Target), "target: the same"),
        (tracer(Reach::Slow), "target, `--slower 10ms`: none is"),
        (tracer(Reach::SlowStacks), "target, `--slower 10ms --stack`: none is"),
        (tracer(Reach::EveryStack), "target, `--slower 1ns --stack`: the stack of every call"),
    ]
}

/// Everything that is measured.
pub(super) fn figures(family: Family) -> Vec<Figure> {
    let of = |call| asked(family).map(|(contender, _)| Figure::new(contender, call, 1));
    Spun::ALL.into_iter().flat_map(of).collect()
}

/// The table, in Markdown: what each call costs untraced, and what is added by each that is asked.
pub(super) fn markdown(figures: &[Figure], family: Family, head: &[String]) -> String {
    let figure = |contender: Contender, call: Spun| {
        figures.iter().find(|figure| (figure.contender, figure.call) == (contender, call))
    };
    let cost = |contender, call| {
        figure(contender, call).map_or(f64::NAN, |figure| median(&mut figure.rounds.clone()))
    };
    let added = |contender, call| cost(contender, call) - cost(Contender::Untraced, call);
    let mut text = String::new();
    for line in head {
        let _ = writeln!(text, "{line}\n");
    }
    text.push_str("| asked |");
    for call in Spun::ALL {
        let _ = write!(text, " `{}` | × floor | spread |", call.name());
    }
    text.push_str("\n|---|");
    text.push_str(&"--:|--:|--:|".repeat(Spun::ALL.len()));
    text.push('\n');
    for (contender, name) in asked(family) {
        let _ = write!(text, "| {name} |");
        for call in Spun::ALL {
            let is_base = contender == Contender::Untraced;
            let ns = if is_base { cost(contender, call) } else { added(contender, call) };
            let floor = added(Contender::Floor(family), call);
            let ratio = (!is_base && floor > 0.0).then_some(ns / floor);
            let sign = if is_base { "" } else { "+" };
            let apart = figure(contender, call).map_or(f64::NAN, |figure| spread(&figure.rounds));
            let _ = write!(text, " {sign}{ns:.0} ns | {} | {:.0} % |", times(ratio), 100.0 * apart);
        }
        text.push('\n');
    }
    for figure in figures {
        for remark in &figure.remarks {
            let _ = writeln!(text, "\n**{}, {}: {remark}**", figure.contender.name(), figure.call.name());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_held_against_the_floor_of_the_same_call() {
        let mut figures = figures(Family::Raw);
        assert_eq!(figures.len(), 27);
        for (index, figure) in figures.iter_mut().enumerate() {
            // 100, 200, 300, … of the first call, and twice as much of the second.
            figure.rounds = vec![100.0 * (index % 9 + 1) as f64 * (index / 9 + 1) as f64];
        }
        figures[3].remarks.push("counted 1 of 2 calls".to_owned());
        let text = markdown(&figures, Family::Raw, &["head".to_owned()]);
        for wanted in [
            "| untraced | 100 ns | – | 0 % | 200 ns |",
            "| two empty programs | +100 ns | 1.00 | 0 % | +200 ns | 1.00 |",
            "| target: the same | +500 ns | 5.00 | 0 % | +1000 ns | 5.00 |",
            "**tracer, whole host, raw, getppid: counted 1 of 2 calls**",
        ] {
            assert!(text.contains(wanted), "{wanted} is missing in\n{text}");
        }
    }
}
