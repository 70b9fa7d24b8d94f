//! What passengers and operators of a reader read: Indonesian by default, English selectable, with texts of their own
//! when the gate decides without fresh knowledge.

use serde::{Deserialize, Serialize};
use sync_protocol::fact::Reason;
use sync_protocol::money::Money;

use crate::answer::{Answer, Why};

/// A language messages are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Indonesian.
    #[default]
    Id,
    /// English.
    En,
}

impl Language {
    /// The language that an `Accept-Language` header asks for first among those spoken here.
    #[must_use]
    pub fn accepted(header: &str) -> Option<Language> {
        let spoken = |tag: &str| match tag.trim().get(..2)?.to_ascii_lowercase().as_str() {
            "en" => Some(Language::En),
            "id" | "in" => Some(Language::Id),
            _ => None,
        };
        let mut best: Option<(u32, Language)> = None;
        for part in header.split(',').take(ACCEPTED_LANGUAGES_MAX) {
            let (tag, weight) = part.split_once(';').unwrap_or((part, ""));
            let weight = thousandths(weight.trim());
            if let Some(language) = spoken(tag)
                && weight > best.map_or(0, |(best, _)| best)
            {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }
}

/// Most languages of one header that are looked at.
const ACCEPTED_LANGUAGES_MAX: usize = 16;

/// A weight such as `q=0.8` in thousandths; 1000 when there is none.
fn thousandths(weight: &str) -> u32 {
    let Some(value) = weight.strip_prefix("q=") else {
        return 1_000;
    };
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    let mut padded = decimals.get(..decimals.len().min(3)).unwrap_or("").to_owned();
    while padded.len() < 3 {
        padded.push('0');
    }
    let number = |text: &str| text.parse::<u32>().unwrap_or(0);
    (number(whole).min(1) * 1_000 + number(&padded)).min(1_000)
}

/// The message that goes with an answer.
#[must_use]
pub fn text(language: Language, answer: &Answer) -> String {
    let base = match (language, answer.why) {
        (Language::Id, Why::Decided(reason)) => indonesian(reason, answer),
        (Language::En, Why::Decided(reason)) => english(reason, answer),
        (Language::Id, Why::Unrecorded) if answer.opens => {
            "Silakan keluar. Perjalanan akan disesuaikan; simpan kartu Anda.".to_owned()
        }
        (Language::En, Why::Unrecorded) if answer.opens => {
            "Please exit. Your journey will be adjusted; keep your card.".to_owned()
        }
        (Language::Id, Why::Unrecorded) => {
            "Gerbang terganggu. Gunakan gerbang lain atau hubungi petugas.".to_owned()
        }
        (Language::En, Why::Unrecorded) => "Gate out of order. Use another gate or ask the staff.".to_owned(),
    };
    if !answer.offline {
        return base;
    }
    let age = age(language, answer.age_s);
    match language {
        Language::Id => format!("Mode luring. {base} Data {age} lalu."),
        Language::En => format!("Offline. {base} Data from {age} ago."),
    }
}

fn indonesian(reason: Reason, answer: &Answer) -> String {
    let entry = |answer: &Answer| match answer.balance {
        Some(balance) => format!(
            "Silakan masuk. Saldo {}, ditahan {}.",
            amount(Language::Id, balance),
            amount(Language::Id, answer.hold)
        ),
        None => format!("Silakan masuk. Ditahan {}.", amount(Language::Id, answer.hold)),
    };
    let fixed = match reason {
        Reason::Accepted | Reason::DupIn | Reason::Allowance => return entry(answer),
        Reason::FreeFlow => "Silakan lewat. Gerbang dibuka untuk semua.",
        Reason::ExitOpen => {
            return match (answer.fare, answer.balance) {
                (Some(fare), Some(balance)) => format!(
                    "Silakan keluar. Tarif {}, saldo {}.",
                    amount(Language::Id, fare),
                    amount(Language::Id, balance)
                ),
                (Some(fare), None) => format!("Silakan keluar. Tarif {}.", amount(Language::Id, fare)),
                (None, _) => "Silakan keluar. Tarif akan disesuaikan.".to_owned(),
            };
        }
        Reason::Blocked => "Kartu diblokir. Hubungi loket.",
        Reason::Suspended => "Kartu ditangguhkan. Hubungi loket.",
        Reason::Closed => "Kartu sudah ditutup. Gunakan kartu lain.",
        Reason::DenyList => "Kartu ditolak di gerbang ini. Hubungi petugas.",
        Reason::Funds => return short(Language::Id, answer),
        Reason::Debt => "Saldo di bawah nol. Isi saldo dahulu.",
        Reason::Passback => "Kartu baru saja dipakai masuk di sini. Tunggu lima menit atau hubungi petugas.",
        Reason::WrongGate => "Arah salah. Gunakan gerbang lain.",
        Reason::UnknownCard => "Kartu tidak dikenal. Hubungi loket.",
        Reason::NoFare => "Tarif belum tersedia. Hubungi petugas.",
        Reason::Velocity => "Terlalu banyak perjalanan tanpa jaringan. Hubungi petugas.",
        Reason::StaleKnowledge => "Gerbang terlalu lama tanpa jaringan. Hubungi petugas.",
        Reason::GateClosed => "Gerbang ditutup untuk masuk. Gunakan gerbang lain.",
    };
    fixed.to_owned()
}

fn english(reason: Reason, answer: &Answer) -> String {
    let entry = |answer: &Answer| match answer.balance {
        Some(balance) => format!(
            "Please enter. Balance {}, held {}.",
            amount(Language::En, balance),
            amount(Language::En, answer.hold)
        ),
        None => format!("Please enter. Held {}.", amount(Language::En, answer.hold)),
    };
    let fixed = match reason {
        Reason::Accepted | Reason::DupIn | Reason::Allowance => return entry(answer),
        Reason::FreeFlow => "Please pass. The gate is open to all.",
        Reason::ExitOpen => {
            return match (answer.fare, answer.balance) {
                (Some(fare), Some(balance)) => format!(
                    "Please exit. Fare {}, balance {}.",
                    amount(Language::En, fare),
                    amount(Language::En, balance)
                ),
                (Some(fare), None) => format!("Please exit. Fare {}.", amount(Language::En, fare)),
                (None, _) => "Please exit. The fare will be adjusted.".to_owned(),
            };
        }
        Reason::Blocked => "Card blocked. Go to the ticket office.",
        Reason::Suspended => "Card suspended. Go to the ticket office.",
        Reason::Closed => "Card closed. Use another card.",
        Reason::DenyList => "Card denied at this gate. Ask the staff.",
        Reason::Funds => return short(Language::En, answer),
        Reason::Debt => "Balance below zero. Top up first.",
        Reason::Passback => "Card used to enter here just now. Wait five minutes or ask the staff.",
        Reason::WrongGate => "Wrong direction. Use another gate.",
        Reason::UnknownCard => "Unknown card. Go to the ticket office.",
        Reason::NoFare => "No fare available yet. Ask the staff.",
        Reason::Velocity => "Too many journeys without network. Ask the staff.",
        Reason::StaleKnowledge => "Gate too long without network. Ask the staff.",
        Reason::GateClosed => "Gate closed to entry. Use another gate.",
    };
    fixed.to_owned()
}

/// Not enough money.
fn short(language: Language, answer: &Answer) -> String {
    match (language, answer.balance) {
        (Language::Id, Some(balance)) => {
            format!(
                "Saldo tidak cukup: {}. Isi saldo dahulu.",
                amount(language, balance)
            )
        }
        (Language::En, Some(balance)) => {
            format!("Balance too low: {}. Top up first.", amount(language, balance))
        }
        (Language::Id, None) => "Saldo tidak cukup. Isi saldo dahulu.".to_owned(),
        (Language::En, None) => "Balance too low. Top up first.".to_owned(),
    }
}

/// An amount as people write it: `Rp 12.000`, `Rp 12,000`; hundredths only when there are any.
fn amount(language: Language, money: Money) -> String {
    let (thousands, decimal) = match language {
        Language::Id => ('.', ','),
        Language::En => (',', '.'),
    };
    let hundredths = money.as_hundredths();
    let digits = (hundredths.unsigned_abs() / 100).to_string();
    let mut text = String::from(if hundredths < 0 { "-Rp " } else { "Rp " });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(thousands);
        }
        text.push(digit);
    }
    match hundredths.unsigned_abs() % 100 {
        0 => text,
        rest => format!("{text}{decimal}{rest:02}"),
    }
}

/// An age in the largest unit that fits.
fn age(language: Language, age_s: u32) -> String {
    let (number, id, en) = match age_s {
        0..=59 => (age_s, "detik", "s"),
        60..=3_599 => (age_s / 60, "menit", "min"),
        3_600..=172_799 => (age_s / 3_600, "jam", "h"),
        _ => (age_s / 86_400, "hari", "days"),
    };
    match language {
        Language::Id => format!("{number} {id}"),
        Language::En => format!("{number} {en}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sync_protocol::fact::Direction;

    fn answer(why: Why, opens: bool) -> Answer {
        Answer {
            card: "CARD0001".parse().unwrap(),
            direction: Direction::Entry,
            opens,
            why,
            rule: "T-01",
            balance: Some(Money::rupiah(1_050_000)),
            age_s: 3,
            hold: Money::rupiah(12_000),
            fare: Some(Money::hundredths(500_050)),
            offline: false,
            fact: None,
        }
    }

    #[test]
    fn money_is_written_as_people_read_it() {
        assert_eq!(amount(Language::Id, Money::rupiah(1_050_000)), "Rp 1.050.000");
        assert_eq!(amount(Language::En, Money::hundredths(-123_456)), "-Rp 1,234.56");
        assert_eq!(amount(Language::Id, Money::rupiah(500)), "Rp 500");
        assert_eq!(amount(Language::Id, Money::ZERO), "Rp 0");
    }

    #[test]
    fn messages_speak_indonesian_first_and_have_a_text_of_their_own_when_offline() {
        let accepted = answer(Why::Decided(Reason::Accepted), true);
        assert_eq!(
            text(Language::Id, &accepted),
            "Silakan masuk. Saldo Rp 1.050.000, ditahan Rp 12.000."
        );
        assert_eq!(
            text(Language::En, &accepted),
            "Please enter. Balance Rp 1,050,000, held Rp 12,000."
        );
        let offline = Answer {
            offline: true,
            age_s: 7_300,
            ..accepted
        };
        assert_eq!(
            text(Language::En, &offline),
            "Offline. Please enter. Balance Rp 1,050,000, held Rp 12,000. Data from 2 h ago."
        );
        let exit = answer(Why::Decided(Reason::ExitOpen), true);
        assert_eq!(
            text(Language::Id, &exit),
            "Silakan keluar. Tarif Rp 5.000,50, saldo Rp 1.050.000."
        );
        let unknown = Answer { fare: None, ..exit };
        assert_eq!(
            text(Language::Id, &unknown),
            "Silakan keluar. Tarif akan disesuaikan."
        );
        assert!(text(Language::Id, &answer(Why::Unrecorded, false)).contains("petugas"));
    }

    #[test]
    fn the_language_asked_for_first_is_spoken() {
        assert_eq!(Language::accepted("en"), Some(Language::En));
        assert_eq!(Language::accepted("en-GB,en;q=0.9,id;q=0.8"), Some(Language::En));
        assert_eq!(Language::accepted("de, id;q=0.5, en;q=0.4"), Some(Language::Id));
        assert_eq!(Language::accepted("en;q=0, id;q=0.1"), Some(Language::Id));
        assert_eq!(Language::accepted("fr, *"), None);
        assert_eq!(Language::accepted("\u{e9}"), None);
    }
}
