//! `kind = "listed"`: terminal by terminal, gate by gate and fare by fare.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use sync_protocol::decide::GateType;
use sync_protocol::fare::TERMINALS_MAX;
use sync_protocol::id::{GateCode, TerminalCode};
use sync_protocol::money::Money;
use toml::Spanned;

use super::GATES_MAX;
use crate::scenario::document::{Spans, Wrong};
use crate::topology::{GateService, GateSite, Terminal, Topology};

/// Most characters of a terminal's name.
const NAME_CHARACTERS_MAX: usize = 100;

/// A network as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// The terminals.
    terminal: Vec<ListedTerminal>,
    /// The gates. A gate's id is its place here, from 1.
    gate: Vec<ListedGate>,
    /// Fares in rupiah by origin and destination, as text such as `"5000.00"`.
    fares: BTreeMap<Spanned<TerminalCode>, BTreeMap<Spanned<TerminalCode>, Spanned<Money>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListedTerminal {
    code: Spanned<TerminalCode>,
    name: Spanned<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListedGate {
    code: Spanned<GateCode>,
    terminal: Spanned<TerminalCode>,
    kind: GateType,
    #[serde(default)]
    status: GateService,
}

impl Listed {
    pub(super) fn build(&self, spans: &Spans) -> Result<Topology, Wrong> {
        let codes = self.terminal_codes(spans)?;
        self.check_gates(&codes, spans)?;
        let fares = self.checked_fares(&codes, spans)?;
        let terminals = self.terminal.iter().map(|terminal| Terminal {
            code: *terminal.code.get_ref(),
            name: terminal.name.get_ref().clone(),
        });
        let gates = self.gate.iter().map(|gate| GateSite {
            code: *gate.code.get_ref(),
            terminal: *gate.terminal.get_ref(),
            kind: gate.kind,
            status: gate.status,
        });
        Ok(Topology::new(terminals.collect(), gates.collect(), fares))
    }

    fn terminal_codes(&self, spans: &Spans) -> Result<BTreeSet<TerminalCode>, Wrong> {
        let count = self.terminal.len();
        if !(1..=TERMINALS_MAX).contains(&count) {
            let message = format!("{count} terminals: 1 to {TERMINALS_MAX} are allowed");
            return Err(Wrong::at(spans.of_key("terminal"), message));
        }
        let mut codes = BTreeSet::new();
        for terminal in &self.terminal {
            let code = *terminal.code.get_ref();
            if !codes.insert(code) {
                let message = format!("terminal {code} is listed twice");
                return Err(Wrong::at(terminal.code.span().start, message));
            }
            let name = terminal.name.get_ref();
            if !(1..=NAME_CHARACTERS_MAX).contains(&name.chars().count())
                || name.chars().any(char::is_control)
            {
                let message = format!("name: one line of 1 to {NAME_CHARACTERS_MAX} characters is allowed");
                return Err(Wrong::at(terminal.name.span().start, message));
            }
        }
        Ok(codes)
    }

    fn check_gates(&self, codes: &BTreeSet<TerminalCode>, spans: &Spans) -> Result<(), Wrong> {
        let count = self.gate.len();
        if !(1..=GATES_MAX).contains(&count) {
            let message = format!("{count} gates: 1 to {GATES_MAX} are allowed");
            return Err(Wrong::at(spans.of_key("gate"), message));
        }
        let mut known = BTreeSet::new();
        for gate in &self.gate {
            check_terminal(&gate.terminal, codes)?;
            let code = *gate.code.get_ref();
            if !known.insert(code) {
                let message =
                    format!("gate {code} is listed twice: a code is one gate's in the whole network");
                return Err(Wrong::at(gate.code.span().start, message));
            }
        }
        Ok(())
    }

    fn checked_fares(
        &self,
        codes: &BTreeSet<TerminalCode>,
        spans: &Spans,
    ) -> Result<BTreeMap<TerminalCode, BTreeMap<TerminalCode, Money>>, Wrong> {
        let mut fares = BTreeMap::new();
        for (from, prices) in &self.fares {
            check_terminal(from, codes)?;
            let mut row = BTreeMap::new();
            for (to, price) in prices {
                check_terminal(to, codes)?;
                let wrong = |message: String| Err(Wrong::at(price.span().start, message));
                if from == to {
                    return wrong(format!(
                        "a fare from {} to itself is not allowed: same-station journeys have their own rule",
                        from.get_ref()
                    ));
                }
                if !price.get_ref().is_price() {
                    return wrong(format!(
                        "{} is not a price: 0.00 to 9999999999999.99 are allowed",
                        price.get_ref()
                    ));
                }
                row.insert(*to.get_ref(), *price.get_ref());
            }
            fares.insert(*from.get_ref(), row);
        }
        if fares.values().all(BTreeMap::is_empty) {
            let message = "a network without a fare lets nobody in: state at least one";
            return Err(Wrong::at(spans.of_key("fares"), message));
        }
        Ok(fares)
    }
}

fn check_terminal(code: &Spanned<TerminalCode>, codes: &BTreeSet<TerminalCode>) -> Result<(), Wrong> {
    if codes.contains(code.get_ref()) {
        return Ok(());
    }
    let message = format!(
        "no terminal {} is listed: write [[network.terminal]] for it",
        code.get_ref()
    );
    Err(Wrong::at(code.span().start, message))
}
