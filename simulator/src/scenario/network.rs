//! `network = "sample"` or `[network]`: which terminals, gates and fares.

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeValue;

use super::document::{self, Wrong};
use crate::topology::Topology;

/// Which network is simulated.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkTable {
    /// The source design's five terminals and ten gates.
    Sample {},
}

impl NetworkTable {
    /// Reads what stands after `network`.
    pub(super) fn read(written: Option<Spanned<DeValue<'_>>>) -> Result<NetworkTable, Wrong> {
        let Some(written) = written else {
            return Err(Wrong::at(0, "missing field `network`"));
        };
        let span = written.span();
        let read = match written.into_inner() {
            DeValue::Table(table) => document::read_tagged(Spanned::new(span, table)),
            DeValue::String(name) if name == "sample" => Ok(NetworkTable::Sample {}),
            value => {
                let name = value
                    .as_str()
                    .map_or_else(|| value.type_str().to_owned(), |name| format!("{name:?}"));
                let message = format!(
                    "there is no network {name}: \"sample\" is built in, a [network] table describes another"
                );
                Err(Wrong::at(span.start, message))
            }
        };
        read.map_err(|wrong| wrong.within("network"))
    }

    /// The network itself.
    #[must_use]
    pub fn build(&self) -> Topology {
        match self {
            NetworkTable::Sample {} => Topology::sample(),
        }
    }
}
