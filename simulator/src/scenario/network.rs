//! `network = "sample"` or `[network]`: which terminals, gates and fares.

mod generated;
mod listed;

use serde::Deserialize;
use sync_protocol::changeset::BODY_BYTES_MAX;
use sync_protocol::codec;
use sync_protocol::fare::OrphanPolicy;
use toml::Spanned;
use toml::de::DeValue;

pub use generated::{GatesPerTerminal, Generated, Layout};
pub use listed::Listed;

use super::document::{self, Wrong};
use crate::topology::Topology;

/// Bytes of a changeset that a fare version leaves to the rest of it.
const OTHER_BYTES: usize = 1_024;
/// Most gates of a network.
pub const GATES_MAX: usize = 20_000;

/// Which network is simulated.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkTable {
    /// The source design's five terminals and ten gates.
    Sample {},
    /// As many terminals and gates as asked for, with fares by distance.
    Generated(Generated),
    /// Terminal by terminal, gate by gate and fare by fare.
    Listed(Listed),
}

impl NetworkTable {
    /// Reads what stands after `network`, and the network itself.
    pub(super) fn read(written: Option<Spanned<DeValue<'_>>>) -> Result<(NetworkTable, Topology), Wrong> {
        let Some(written) = written else {
            return Err(Wrong::at(0, "missing field `network`"));
        };
        let span = written.span();
        let spans = document::Spans::of_value(&written);
        let table = match written.into_inner() {
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
        let table = table.map_err(|wrong| wrong.within("network"))?;
        let network = table.build(&spans).map_err(|wrong| wrong.within("network"))?;
        Ok((table, network))
    }

    /// The network itself, which is the same for every seed of a run.
    fn build(&self, spans: &document::Spans) -> Result<Topology, Wrong> {
        let network = match self {
            NetworkTable::Sample {} => Topology::sample(),
            NetworkTable::Generated(generated) => generated
                .build()
                .map_err(|(key, message)| Wrong::at(spans.of_key(key), message))?,
            NetworkTable::Listed(listed) => listed.build(spans)?,
        };
        let fares = network.fare_version(1, 0, OrphanPolicy::Release);
        let at_fares = |message: String| Wrong::at(spans.of_key("fares"), message);
        let fares = fares.map_err(|error| at_fares(error.to_string()))?;
        let bytes = codec::encode(&fares).len();
        let bytes_max = BODY_BYTES_MAX - OTHER_BYTES;
        if bytes > bytes_max {
            return Err(at_fares(format!(
                "the fares take {bytes} bytes as one version, {bytes_max} are allowed: have fewer terminals, or prices \
                 that are small multiples of one unit"
            )));
        }
        Ok(network)
    }
}
