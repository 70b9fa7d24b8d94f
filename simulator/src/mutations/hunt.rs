//! Looking for what notices one mutation.

use std::collections::BTreeSet;

use sync_protocol::mutation::{self, Mutation};

use super::expected::{self, Notice};
use crate::fold::examples::Example;
use crate::fold::output::Fold;
use crate::swarm;
use crate::sweep::play_text;

/// What to look with.
pub struct Hunt<'a> {
    /// The examples of the fold.
    pub examples: &'a [Example],
    /// The first seed drawn.
    pub from: u64,
    /// Most seeds drawn for one mutation.
    pub seeds_max: u64,
    /// Seeds drawn for a rule of the fold.
    pub fold_seeds: u64,
}

/// A seed whose run noticed a mutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caught {
    /// How many seeds were drawn, this one included.
    pub drawn: u64,
    /// How many of them were run: the others have no fault that could show it.
    pub runs: u64,
    /// The seed.
    pub seed: u64,
    /// The checks that failed, those that have to notice first.
    pub checks: Vec<String>,
    /// What the first of them saw.
    pub detail: String,
    /// What fails with the same seed without the mutation: nothing ought to.
    pub control: Vec<String>,
}

/// What noticed a mutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The mutation.
    pub mutation: Mutation,
    /// The examples whose outcome it changes.
    pub examples: Vec<String>,
    /// The first seed that has to notice it and did.
    pub caught: Option<Caught>,
    /// What else noticed it in seeds before, where nothing that has to did.
    pub otherwise: BTreeSet<String>,
}

impl Found {
    /// Whether what has to notice did, and only because of the mutation.
    #[must_use]
    pub fn is_as_expected(&self) -> bool {
        match expected::of(self.mutation) {
            Notice::Example => !self.examples.is_empty(),
            Notice::Nothing(_) => self.examples.is_empty() && self.caught.is_none(),
            Notice::Check { .. } | Notice::Scenario { .. } => self
                .caught
                .as_ref()
                .is_some_and(|caught| caught.control.is_empty()),
        }
    }
}

impl Hunt<'_> {
    /// Tries one mutation.
    ///
    /// # Errors
    /// What a fold makes cannot be written.
    pub fn after(&self, mutation: Mutation) -> anyhow::Result<Found> {
        let mut found = Found {
            mutation,
            examples: self.examples_changed_by(mutation)?,
            caught: None,
            otherwise: BTreeSet::new(),
        };
        match expected::of(mutation) {
            Notice::Check { names, kinds, within } => {
                self.draw(&mut found, names, kinds, within.min(self.seeds_max));
            }
            Notice::Scenario { names, text } => self.play(&mut found, names, text),
            Notice::Nothing(_) => {}
            Notice::Example => self.draw(&mut found, &[], &[], self.fold_seeds),
        }
        Ok(found)
    }

    fn examples_changed_by(&self, mutation: Mutation) -> anyhow::Result<Vec<String>> {
        let _begun = mutation::begin(Some(mutation));
        let mut changed = Vec::new();
        for example in self.examples {
            if !example.holds(Fold::Production)? {
                changed.push(example.name.clone());
            }
        }
        Ok(changed)
    }

    /// Plays one scenario with its first seed.
    fn play(&self, found: &mut Found, names: &[&str], text: &str) {
        let seed = self.from;
        let mut broken = broken(Some(found.mutation), found.mutation.name(), text, seed);
        let named = |(name, _): &(String, String)| names.contains(&name.as_str());
        broken.sort_by_key(|failed| !named(failed));
        let checks: Vec<String> = broken.iter().map(|(name, _)| name.clone()).collect();
        let Some(first) = broken.first().filter(|first| named(first)) else {
            found.otherwise.extend(checks);
            return;
        };
        let control = self::broken(None, found.mutation.name(), text, seed);
        found.caught = Some(Caught {
            drawn: 1,
            runs: 1,
            seed,
            checks,
            detail: first.1.clone(),
            control: control.into_iter().map(|(name, _)| name).collect(),
        });
    }

    /// Draws seeds until one of the named checks fails, any check when none is named.
    fn draw(&self, found: &mut Found, names: &[&str], kinds: &[&str], most: u64) {
        let mut runs = 0;
        for drawn in 1..=most {
            let seed = self.from + drawn - 1;
            let scenario = swarm::draw(seed);
            if !kinds.is_empty() && !scenario.kinds.iter().any(|kind| kinds.contains(kind)) {
                continue;
            }
            runs += 1;
            let (name, text) = (scenario.name(), &scenario.text);
            let mut broken = broken(Some(found.mutation), &name, text, seed);
            let named = |(name, _): &(String, String)| names.is_empty() || names.contains(&name.as_str());
            broken.sort_by_key(|failed| !named(failed));
            let Some(first) = broken.first() else { continue };
            let checks = broken.iter().map(|(name, _)| name.clone());
            if !named(first) {
                found.otherwise.extend(checks);
                continue;
            }
            let control = self::broken(None, &name, text, seed);
            found.caught = Some(Caught {
                drawn,
                runs,
                seed,
                checks: checks.collect(),
                detail: first.1.clone(),
                control: control.into_iter().map(|(name, _)| name).collect(),
            });
            return;
        }
    }
}

/// What fails in a scenario: checks with what they saw.
fn broken(mutation: Option<Mutation>, name: &str, text: &str, seed: u64) -> Vec<(String, String)> {
    let _begun = mutation::begin(mutation);
    let end = play_text(name, text, seed);
    let broken = end.broken();
    broken
        .map(|(name, detail)| (name.to_owned(), detail.to_owned()))
        .collect()
}
