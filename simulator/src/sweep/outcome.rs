//! One seed, played to its end whatever that is: a panic of the product under test is an outcome like another.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::Duration;

use crate::report::{Report, Verdict};
use crate::run::{self, Stopwatch};
use crate::scenario::Scenario;
use crate::swarm;

/// How a seed ended.
#[derive(Clone, Debug)]
pub enum End {
    /// The run came to a report.
    Reported(Box<Report>),
    /// A node failed in a way that no fault explains.
    Stopped(String),
    /// Something panicked: what, and where.
    Panicked(String),
    /// The text is no scenario.
    Unreadable(String),
}

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The kinds of the scenario's faults.
    pub kinds: Vec<&'static str>,
    /// How it ended.
    pub end: End,
    /// How long it took in the real world.
    pub took: Duration,
}

impl Outcome {
    /// The report, where the run came to one.
    #[must_use]
    pub const fn report(&self) -> Option<&Report> {
        match &self.end {
            End::Reported(report) => Some(report),
            End::Stopped(_) | End::Panicked(_) | End::Unreadable(_) => None,
        }
    }

    /// Whether a promise was broken.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.report().is_none_or(|report| report.verdict == Verdict::Fail)
    }

    /// What was broken: see [`End::broken`].
    pub fn broken(&self) -> impl Iterator<Item = (&str, &str)> {
        self.end.broken()
    }
}

impl End {
    /// What was broken: the names of checks and what they saw, or how the run ended.
    pub fn broken(&self) -> impl Iterator<Item = (&str, &str)> {
        let (report, ended) = match self {
            End::Reported(report) => (Some(report), None),
            End::Stopped(error) => (None, Some(("the run stopped", error.as_str()))),
            End::Panicked(words) => (None, Some(("panic", words.as_str()))),
            End::Unreadable(error) => (None, Some(("the scenario cannot be read", error.as_str()))),
        };
        let checks = report.into_iter().flat_map(|report| &report.checks);
        let broken = checks.filter(|check| !check.passed);
        broken
            .map(|check| (check.name, check.detail.as_str()))
            .chain(ended)
    }
}

/// Plays the scenario that the swarm draws from a seed.
#[must_use]
pub fn play_seed(seed: u64) -> Outcome {
    let watch = Stopwatch::start();
    let (kinds, mut end) = match catching(|| Ok(swarm::draw(seed))) {
        Ok(drawn) => (drawn.kinds.clone(), play_text(&drawn.name(), &drawn.text, seed)),
        Err(end) => (Vec::new(), end),
    };
    if let End::Reported(report) = &mut end {
        report.replay = format!("simulator replay {seed}");
    }
    Outcome {
        seed,
        kinds,
        end,
        took: watch.elapsed(),
    }
}

/// Plays the scenario of a text.
#[must_use]
pub fn play_text(name: &str, text: &str, seed: u64) -> End {
    let scenario = match Scenario::parse(name, name, text) {
        Ok(scenario) => scenario,
        Err(error) => return End::Unreadable(error.to_string()),
    };
    let played = catching(|| run::play(scenario, seed));
    played.map_or_else(|end| end, |(report, _)| End::Reported(Box::new(report)))
}

thread_local! {
    /// The words of the last panic on a thread that catches panics; `None` on any other thread.
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Runs something; an error or a panic is an end. A panic's words are kept instead of printed.
fn catching<T>(what: impl FnOnce() -> anyhow::Result<T>) -> Result<T, End> {
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let is_caught = CAUGHT
                .with_borrow_mut(|caught| caught.as_mut().map(|words| *words = panic.to_string()).is_some());
            if !is_caught {
                usual(panic);
            }
        }));
    });
    CAUGHT.set(Some(String::new()));
    let result = catch_unwind(AssertUnwindSafe(what));
    let words = CAUGHT.take().unwrap_or_default();
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(End::Stopped(format!("{error:#}"))),
        Err(_) => Err(End::Panicked(words)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_outcome_with_its_words_and_its_place() {
        let end = catching::<()>(|| panic!("the barrier is stuck")).unwrap_err();
        let End::Panicked(words) = end else {
            panic!("not a panic: {end:?}")
        };
        assert!(words.contains("the barrier is stuck"), "{words}");
        assert!(words.contains("outcome.rs"), "{words}");
    }

    #[test]
    fn bad_text_is_an_outcome_too() {
        assert!(matches!(play_text("t", "title = 1", 1), End::Unreadable(_)));
    }
}
