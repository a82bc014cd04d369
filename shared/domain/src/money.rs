//! Money is a whole number of micros with its currency. No float ever holds a price.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A currency that a provider bills in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// US dollar: RunPod.
    #[default]
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

/// What one US dollar is worth in renminbi, as configured. Nothing is ever stored converted: an amount keeps its
/// provider's currency, and a conversion holds for the moment of a comparison or of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Millionths of a renminbi for one US dollar; more than 0.
    cny_per_usd: i64,
}

impl Default for Rates {
    /// 7.10 CNY for 1 USD.
    fn default() -> Self {
        Self { cny_per_usd: 7_100_000 }
    }
}

impl Rates {
    /// Parses a decimal such as `7.10`; `None` if it is not one, or not more than 0.
    pub fn parse(cny_per_usd: &str) -> Option<Self> {
        let rate = Money::parse(cny_per_usd, Currency::Cny)?.micros;
        (rate > 0).then_some(Self { cny_per_usd: rate })
    }

    /// The rate in millionths of a renminbi for one US dollar.
    pub const fn cny_per_usd_micros(self) -> i64 {
        self.cny_per_usd
    }

    /// The same value in `currency`, rounded half up to a micro, away from zero for a negative amount. An amount too
    /// large for the other currency becomes the largest one.
    #[must_use]
    pub fn convert(self, amount: Money, currency: Currency) -> Money {
        let (factor, divisor) = match (amount.currency, currency) {
            (Currency::Usd, Currency::Cny) => (i128::from(self.cny_per_usd), MICROS_PER_UNIT),
            (Currency::Cny, Currency::Usd) => (MICROS_PER_UNIT, i128::from(self.cny_per_usd)),
            _ => return amount,
        };
        let exact = i128::from(amount.micros.unsigned_abs()) * factor;
        let rounded = i64::try_from((exact + divisor / 2) / divisor).unwrap_or(i64::MAX);
        Money::new(if amount.micros < 0 { -rounded } else { rounded }, currency)
    }

    /// The sum of `amounts` in `currency`: each currency is added up first and converted once.
    #[must_use]
    pub fn total(self, amounts: impl IntoIterator<Item = Money>, currency: Currency) -> Money {
        let mut sums = Vec::new();
        for amount in amounts {
            add_to(&mut sums, amount);
        }
        let micros =
            sums.into_iter().fold(0_i64, |sum, one| sum.saturating_add(self.convert(one, currency).micros));
        Money::new(micros, currency)
    }
}

/// Adds `amount` to the sum of its currency.
pub fn add_to(sums: &mut Vec<Money>, amount: Money) {
    match sums.iter_mut().find(|sum| sum.currency == amount.currency) {
        Some(sum) => sum.micros = sum.micros.saturating_add(amount.micros),
        None => sums.push(amount),
    }
}

/// Adds amounts to sums that have one amount for each currency.
pub fn add_all(sums: &mut Vec<Money>, amounts: &[Money]) {
    for amount in amounts {
        add_to(sums, *amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_converts_both_ways_and_rounds_half_up() {
        let rates = Rates::parse("7.10").unwrap();
        assert_eq!(rates, Rates::default());
        let usd = |micros| Money::new(micros, Currency::Usd);
        let cny = |micros| Money::new(micros, Currency::Cny);
        assert_eq!(rates.convert(usd(1_000_000), Currency::Cny), cny(7_100_000));
        assert_eq!(rates.convert(cny(7_100_000), Currency::Usd), usd(1_000_000));
        assert_eq!(rates.convert(cny(1_000_000), Currency::Usd), usd(140_845), "0.14084507");
        assert_eq!(Rates::parse("2").unwrap().convert(cny(1), Currency::Usd), usd(1), "half a micro is one");
        assert_eq!(rates.convert(usd(-1_000_000), Currency::Cny), cny(-7_100_000));
        assert_eq!(rates.convert(usd(5), Currency::Usd), usd(5));
        assert_eq!(rates.convert(usd(i64::MAX), Currency::Cny), cny(i64::MAX));
        for bad in ["0", "", "-7", "seven"] {
            assert_eq!(Rates::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_total_converts_each_currency_once() {
        let amounts =
            [(1, Currency::Cny), (1, Currency::Cny), (10, Currency::Usd)].map(|(m, c)| Money::new(m, c));
        let rates = Rates::parse("4").unwrap();
        assert_eq!(rates.total(amounts, Currency::Usd), Money::new(11, Currency::Usd), "not 0 + 0 + 10");
    }

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
