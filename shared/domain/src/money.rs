//! Money is a whole number of micros with its currency. No float ever holds a price.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A currency that a provider bills in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// US dollar: RunPod.
    Usd,
    /// Renminbi: Alibaba Cloud and Tencent Cloud.
    Cny,
}

impl Currency {
    /// The ISO 4217 code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Usd => "USD",
            Self::Cny => "CNY",
        }
    }
}

/// An amount in millionths of a currency's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Millionths of the unit: 1 USD is 1,000,000.
    pub micros: i64,
    /// What the provider bills in; amounts of two currencies are never added.
    pub currency: Currency,
}

const MICROS_PER_UNIT: i128 = 1_000_000;
const MILLIS_PER_HOUR: i128 = 3_600_000;

impl Money {
    /// An amount from its micros.
    pub const fn new(micros: i64, currency: Currency) -> Self {
        Self { micros, currency }
    }

    /// Parses a decimal such as a cloud's `"0.44"` exactly; digits beyond the sixth are rounded half up.
    /// `None` for anything that is not a plain non-negative decimal, or is too large.
    pub fn parse(text: &str, currency: Currency) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return None;
        }
        let whole: i128 = whole.parse().ok()?;
        let six: i128 = format!("{fraction:0<6.6}").parse().ok()?;
        let round = i128::from(fraction.as_bytes().get(6).is_some_and(|d| *d >= b'5'));
        i64::try_from(whole.checked_mul(MICROS_PER_UNIT)? + six + round)
            .ok()
            .map(|micros| Self { micros, currency })
    }

    /// What `milliseconds` cost at this amount per hour, rounded half up to a micro; negative time costs nothing.
    #[must_use]
    pub fn for_millis(self, milliseconds: i64) -> Self {
        let exact = i128::from(self.micros) * i128::from(milliseconds.max(0));
        let micros = (exact + MILLIS_PER_HOUR / 2) / MILLIS_PER_HOUR;
        Self { micros: i64::try_from(micros).unwrap_or(i64::MAX), currency: self.currency }
    }

    /// The sum, or `None` for two currencies or an overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        (self.currency == other.currency)
            .then(|| self.micros.checked_add(other.micros))
            .flatten()
            .map(|micros| Self { micros, currency: self.currency })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.micros < 0 { "-" } else { "" };
        let micros = self.micros.unsigned_abs();
        write!(f, "{sign}{}.{:06} {}", micros / 1_000_000, micros % 1_000_000, self.currency.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        let usd = |text| Money::parse(text, Currency::Usd).map(|m| m.micros);
        assert_eq!(usd("0.44"), Some(440_000));
        assert_eq!(usd("3"), Some(3_000_000));
        assert_eq!(usd("0.0000005"), Some(1));
        assert_eq!(usd("0.00000049"), Some(0));
        for bad in ["", ".5", "-1", "1e3", "NaN", "1.2.3", "99999999999999999999"] {
            assert_eq!(usd(bad), None, "{bad}");
        }
    }

    #[test]
    fn time_is_charged_by_the_millisecond() {
        let hour = Money::new(440_000, Currency::Usd);
        assert_eq!(hour.for_millis(3_600_000).micros, 440_000);
        assert_eq!(hour.for_millis(20_000).micros, 2_444);
        assert_eq!(hour.for_millis(-5).micros, 0);
    }

    #[test]
    fn currencies_do_not_mix() {
        assert_eq!(Money::new(1, Currency::Usd).checked_add(Money::new(1, Currency::Cny)), None);
        assert_eq!(Money::new(1_500_000, Currency::Usd).to_string(), "1.500000 USD");
    }
}
