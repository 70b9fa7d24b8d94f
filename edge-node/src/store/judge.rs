//! Who may state what. A verified changeset proves who wrote it, not that its writer may say so.

use sync_protocol::changeset::{Content, SiteRole};
use sync_protocol::fact::Fact;
use sync_protocol::id::NodeId;
use sync_protocol::money::Money;
use sync_protocol::rows::{RowChange, Value, key};

use super::sites::Site;

/// Why a change is not applied.
pub(super) type Refusal = String;

/// Checks one change against its writer's role. `opening` says that it is the first change of the site.
pub(super) fn judge(site: &Site, opening: bool, content: &Content) -> Result<(), Refusal> {
    match content {
        Content::SiteOpen(_) if opening => Ok(()),
        Content::SiteOpen(_) => Err("a site is opened by its first change only".to_owned()),
        Content::Row(row) => judge_row(site, row),
        Content::Fact(fact) => {
            judge_writer(site, fact)?;
            judge_amounts(fact)
        }
    }
}

/// As the hub judges ([`sync_protocol::fact`] says who states what), so that both put the same aside.
fn judge_writer(site: &Site, fact: &Fact) -> Result<(), Refusal> {
    let derived = matches!(
        fact,
        Fact::CardSettled(_) | Fact::SettledUpTo { .. } | Fact::Checkpoint { .. }
    );
    match (site.role, fact) {
        (SiteRole::Gate(terminal), Fact::Tap(tap)) if tap.terminal != terminal => Err(format!(
            "a tap at terminal {} by a gate of terminal {terminal}",
            tap.terminal
        )),
        (SiteRole::Gate(_), Fact::Tap(tap)) if tap.gate.node() != site.node => {
            Err(format!("a tap at {} in a site of {}", tap.gate.node(), site.node))
        }
        (SiteRole::Gate(_), Fact::Tap(_)) => Ok(()),
        (SiteRole::Gate(_), _) => Err("a gate states what only the hub may".to_owned()),
        (_, Fact::Tap(_)) => Err("the hub states a tap".to_owned()),
        (SiteRole::Decisions, _) if derived => {
            Err("settled states stand only in the hub's settled site".to_owned())
        }
        (SiteRole::Settled, _) if !derived => {
            Err("only settled states stand in the hub's settled site".to_owned())
        }
        _ => Ok(()),
    }
}

fn judge_amounts(fact: &Fact) -> Result<(), Refusal> {
    let price = |amount: &Money| amount.is_price();
    let right = match fact {
        Fact::Tap(tap) => price(&tap.hold) && tap.quoted.as_ref().is_none_or(price),
        Fact::TopUp { amount, .. } | Fact::Refund { amount, .. } | Fact::WriteOff { amount, .. } => {
            price(amount)
        }
        Fact::Adjust { amount, .. } => amount.is_amount(),
        _ => true,
    };
    match fact {
        _ if !right => Err("an amount outside the range of amounts".to_owned()),
        Fact::FareVersion(version) => version.check().map_err(|error| error.to_string()),
        Fact::CardSettled(settled) if i64::try_from(settled.revision).is_err() => {
            Err(format!("revision {} is out of range", settled.revision))
        }
        _ => Ok(()),
    }
}

/// A row of `deny_list` has one writer, named in its key; the hub may pass on everybody's.
fn judge_row(site: &Site, row: &RowChange) -> Result<(), Refusal> {
    if site.role == SiteRole::Settled {
        return Err("row changes do not stand in the hub's settled site".to_owned());
    }
    if row.table != "deny_list" || site.node.is_hub() {
        return Ok(());
    }
    match key::unpack(&row.key).as_deref() {
        Ok([_, Value::Integer(declared_by), Value::Integer(written_by)])
            if is_node(*declared_by, site.node) && is_node(*written_by, site.node) =>
        {
            Ok(())
        }
        _ => Err(format!("a denial in another node's name by {}", site.node)),
    }
}

fn is_node(number: i64, node: NodeId) -> bool {
    number == i64::from(node.0)
}
