//! Which fare version holds when (D-22). Pure.

use sync_protocol::fare::FareVersion;

/// When a version stops to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) version: u32,
    /// Until then, milliseconds since 1970; `None` for good. Not after its own beginning when it never holds.
    pub(super) until_ms: Option<i64>,
}

/// Until when each version holds: until the first of the higher ones begins.
pub(super) fn spans<'a>(versions: impl IntoIterator<Item = &'a FareVersion> + Clone) -> Vec<Span> {
    let span = |version: &FareVersion| {
        let higher = versions
            .clone()
            .into_iter()
            .filter(|other| other.version > version.version);
        let begins = higher.map(|other| other.effective_from_ms.max(version.effective_from_ms));
        Span {
            version: version.version,
            until_ms: begins.min(),
        }
    };
    versions.clone().into_iter().map(span).collect()
}

/// The version in force: the highest among those that have begun.
pub(crate) fn in_force<'a>(
    versions: impl IntoIterator<Item = &'a FareVersion>,
    now_ms: i64,
) -> Option<&'a FareVersion> {
    let begun = versions
        .into_iter()
        .filter(|version| version.effective_from_ms <= now_ms);
    begun.max_by_key(|version| version.version)
}

#[cfg(test)]
mod tests {
    use sync_protocol::fare::OrphanPolicy;

    use super::*;

    fn version(version: u32, from_ms: i64) -> FareVersion {
        FareVersion::new(version, from_ms, OrphanPolicy::Release, []).unwrap()
    }

    #[test]
    fn a_version_holds_until_a_higher_one_begins() {
        let versions = [version(1, 100), version(2, 500), version(3, 300)];
        let until: Vec<_> = spans(&versions).iter().map(|span| span.until_ms).collect();
        assert_eq!(
            until,
            [Some(300), Some(500), None],
            "version 2 is overtaken before it begins"
        );
        let now = |ms| in_force(&versions, ms).map(|version| version.version);
        assert_eq!(
            [now(99), now(100), now(299), now(300), now(900)],
            [None, Some(1), Some(1), Some(3), Some(3)]
        );
    }
}
