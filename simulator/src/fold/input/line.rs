//! One line to one fact.

use sync_protocol::fact::{CardStatus, Direction, Fact, Reason, Tap};
use sync_protocol::fare::{FareVersion, OrphanPolicy};
use sync_protocol::id::{CardId, FactId, GateCode, GateId, OrderKey, TerminalCode};
use sync_protocol::money::Money;
use sync_protocol::time::{Stamp, WALL_MS_MAX};

use super::value::{Fields, Value, Wrong, clipped, listed};

/// A fact with its place.
pub(super) struct Line {
    pub(super) site: String,
    pub(super) key: OrderKey,
    pub(super) fact: Fact,
}

/// Gives the sites and gates of a line their numbers.
pub(super) trait Named {
    /// The id of the fact at a place.
    fn fact_id(&mut self, site: &str, seq: u64) -> FactId;
    /// The number of a gate.
    fn gate_id(&mut self, gate: &str) -> GateId;
}

/// What a line of one kind may state besides [`ENVELOPE`].
struct Kind {
    name: &'static str,
    fields: &'static [&'static str],
    optional: &'static [&'static str],
}

const ENVELOPE: &[&str] = &["site", "seq", "at_ms", "at_counter", "fact"];

const fn kind(name: &'static str, fields: &'static [&'static str]) -> Kind {
    let optional = &[];
    Kind {
        name,
        fields,
        optional,
    }
}

const KINDS: &[Kind] = &[
    kind(
        "fare_version",
        &["version", "effective_from_ms", "orphan_policy", "fares"],
    ),
    kind("card_issued", &["card"]),
    kind("top_up", &["card", "amount", "reference"]),
    kind("adjust", &["card", "amount", "reason"]),
    kind("refund", &["card", "amount", "reason"]),
    kind("write_off", &["card", "amount", "reason"]),
    kind("card_status", &["card", "version", "status"]),
    Kind {
        name: "tap",
        fields: &[
            "card",
            "direction",
            "terminal",
            "gate",
            "uncertainty_ms",
            "accepted",
            "fare_version",
        ],
        optional: &["hold", "quoted"],
    },
    kind("close", &["card", "tap"]),
];

/// Reads a line.
pub(super) fn parse(text: &str, named: &mut impl Named) -> Result<Line, Wrong> {
    let fields = Fields::read(text)?;
    let name = fields
        .get("fact", || "a fact such as \"tap\" is allowed")?
        .text()?;
    let Some(kind) = KINDS.iter().find(|kind| kind.name == name) else {
        let known: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        return Err(Wrong::new(
            format!("fact {:?} is not known", clipped(&name)),
            format!("{} is allowed", listed(&known, "or")),
        ));
    };
    check_fields(&fields, kind)?;
    let site = fields.required("site").text()?.into_owned();
    let seq = fields.required("seq").number(1..=u64::MAX)?;
    let at = Stamp {
        ms: time_ms(fields.required("at_ms"))?,
        counter: fields.required("at_counter").number(0..=u32::MAX)?,
    };
    let fact = read_fact(kind.name, &fields, named)?;
    let key = OrderKey {
        at,
        id: named.fact_id(&site, seq),
    };
    Ok(Line { site, key, fact })
}

fn check_fields(fields: &Fields, kind: &Kind) -> Result<(), Wrong> {
    let allowed = || {
        let all: Vec<_> = [ENVELOPE, kind.fields].concat();
        let optional = match kind.optional {
            [] => String::new(),
            optional => format!(", and may have {}", listed(optional, "and")),
        };
        format!("a {} has {}{optional}", kind.name, listed(&all, "and"))
    };
    let is_known = |name: &&str| {
        [ENVELOPE, kind.fields, kind.optional]
            .iter()
            .any(|known| known.contains(name))
    };
    if let Some(name) = fields.names().find(|name| !is_known(name)) {
        return Err(Wrong::new(
            format!("field {:?} is not known", clipped(name)),
            allowed(),
        ));
    }
    for name in ENVELOPE.iter().chain(kind.fields) {
        fields.get(name, allowed)?;
    }
    Ok(())
}

fn read_fact(kind: &str, fields: &Fields, named: &mut impl Named) -> Result<Fact, Wrong> {
    if kind == "fare_version" {
        return read_fare_version(fields).map(Fact::FareVersion);
    }
    let card: CardId = fields.required("card").identifier("8 to 20 of A-Z and 0-9")?;
    let reason = || fields.required("reason").text().map(|reason| reason.into_owned());
    let not_negative = || fields.required("amount").amount(Money::ZERO);
    Ok(match kind {
        "card_issued" => Fact::CardIssued { card },
        "top_up" => Fact::TopUp {
            card,
            amount: not_negative()?,
            reference: fields.required("reference").text()?.into_owned(),
        },
        "adjust" => Fact::Adjust {
            card,
            amount: fields.required("amount").amount(-Money::AMOUNT_MAX)?,
            reason: reason()?,
        },
        "refund" => Fact::Refund {
            card,
            amount: not_negative()?,
            reason: reason()?,
        },
        "write_off" => Fact::WriteOff {
            card,
            amount: not_negative()?,
            reason: reason()?,
        },
        "card_status" => Fact::CardStatus {
            card,
            version: fields.required("version").number(1..=u64::MAX)?,
            status: fields.required("status").choice(&[
                ("active", CardStatus::Active),
                ("suspended", CardStatus::Suspended),
                ("blocked", CardStatus::Blocked),
                ("closed", CardStatus::Closed),
            ])?,
        },
        "tap" => Fact::Tap(read_tap(card, fields, named)?),
        "close" => Fact::Close {
            card,
            tap: read_tap_id(fields.required("tap"), named)?,
        },
        _ => unreachable!("BUG: {kind} is a kind without a reader"),
    })
}

fn read_tap(card: CardId, fields: &Fields, named: &mut impl Named) -> Result<Tap, Wrong> {
    let direction = fields
        .required("direction")
        .choice(&[("entry", Direction::Entry), ("exit", Direction::Exit)])?;
    let gate: GateCode = fields.required("gate").identifier("1 to 20 of A-Z, 0-9 and -")?;
    let accepted = fields
        .required("accepted")
        .choice_of_words(&[("true", true), ("false", false)])?;
    let hold = fields
        .optional("hold")
        .map(|hold| hold.amount(Money::ZERO))
        .transpose()?;
    let quoted = fields
        .optional("quoted")
        .map(|quoted| quoted.amount(Money::ZERO))
        .transpose()?;
    check_amounts(direction, accepted, hold, quoted)?;
    Ok(Tap {
        card,
        direction,
        terminal: terminal(fields.required("terminal"))?,
        gate: named.gate_id(gate.as_str()),
        uncertainty_ms: fields.required("uncertainty_ms").number(0..=u32::MAX)?,
        accepted,
        reason: match (accepted, direction) {
            (true, Direction::Entry) => Reason::Accepted,
            (true, Direction::Exit) => Reason::ExitOpen,
            (false, _) => Reason::DenyList,
        },
        fare_version: fields.required("fare_version").number(0..=u32::MAX)?,
        hold: hold.unwrap_or_default(),
        quoted,
        knowledge: sync_protocol::fact::Knowledge::default(),
    })
}

/// An accepted entry states its hold; an exit holds nothing; only an exit quotes.
fn check_amounts(
    direction: Direction,
    accepted: bool,
    hold: Option<Money>,
    quoted: Option<Money>,
) -> Result<(), Wrong> {
    match (direction, hold, quoted) {
        (Direction::Entry, None, _) if accepted => Err(Wrong::new(
            "field \"hold\" is missing",
            "an accepted entry states what it holds, such as \"12000.00\"",
        )),
        (Direction::Entry, _, Some(_)) => Err(Wrong::new(
            "field \"quoted\" stands on an entry",
            "only an exit may quote a fare",
        )),
        (Direction::Exit, Some(hold), _) if hold != Money::ZERO => Err(Wrong::new(
            format!("field \"hold\" of an exit is \"{hold}\""),
            "an exit states no hold, or \"0.00\"",
        )),
        _ => Ok(()),
    }
}

fn read_tap_id(value: Value, named: &mut impl Named) -> Result<FactId, Wrong> {
    let allowed = || "an object of site and seq is allowed, such as {\"site\": \"A1\", \"seq\": 1}";
    let id = value.object(allowed())?;
    if let Some(name) = id.names().find(|name| !["site", "seq"].contains(name)) {
        return Err(Wrong::new(
            format!("field {:?} of field \"tap\" is not known", clipped(name)),
            allowed(),
        ));
    }
    let (site, seq) = (id.get("site", allowed)?, id.get("seq", allowed)?);
    Ok(named.fact_id(&site.text()?, seq.number(1..=u64::MAX)?))
}

fn read_fare_version(fields: &Fields) -> Result<FareVersion, Wrong> {
    let version = fields.required("version").number(1..=u32::MAX)?;
    let effective_from_ms = time_ms(fields.required("effective_from_ms"))?;
    let orphan_policy = fields.required("orphan_policy").choice(&[
        ("release", OrphanPolicy::Release),
        ("charge_max", OrphanPolicy::ChargeMax),
        ("charge_min", OrphanPolicy::ChargeMin),
    ])?;
    let allowed = "a list of [origin, destination, price] is allowed, such as [\"A\", \"B\", \"5000.00\"]";
    let mut fares = Vec::new();
    for fare in fields.required("fares").list(allowed)? {
        let parts = fare.list(allowed)?;
        let [origin, destination, price] = parts.as_slice() else {
            return Err(fare.wrong(allowed));
        };
        fares.push((
            terminal(*origin)?,
            terminal(*destination)?,
            price.amount(Money::ZERO)?,
        ));
    }
    FareVersion::new(version, effective_from_ms, orphan_policy, fares).map_err(|error| {
        let (what, allowed) = split_message(&error.to_string());
        Wrong::new(format!("field \"fares\": {what}"), allowed)
    })
}

/// A message of the library says what is wrong before a colon and what is allowed after it.
fn split_message(message: &str) -> (String, String) {
    let (what, allowed) = message.split_once(": ").unwrap_or((message, "see the contract"));
    (what.to_owned(), allowed.to_owned())
}

fn terminal(value: Value) -> Result<TerminalCode, Wrong> {
    value.identifier("1 to 3 of A-Z")
}

fn time_ms(value: Value) -> Result<i64, Wrong> {
    value.number(-WALL_MS_MAX..=WALL_MS_MAX)
}
