//! An amount from the digits that a cloud wrote; no float ever holds it.

use domain::money::{Currency, Money};

/// Where a cloud writes its numbers with exponents, as few as any amount of money needs.
const EXPONENT: std::ops::RangeInclusive<i32> = -30..=30;

/// What a bill says: a decimal, maybe with an exponent, as a number or as a text. `None` for what is no amount and for less
/// than nothing.
pub(crate) fn read(json: &str, currency: Currency) -> Option<Money> {
    let text = json.trim_matches('"');
    let Some((digits, exponent)) = text.split_once(['e', 'E']) else { return Money::parse(text, currency) };
    let exponent: i32 = exponent.parse().ok().filter(|exponent| EXPONENT.contains(exponent))?;
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() {
        return None;
    }
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let all = format!("{whole}{rest}");
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let length = i32::try_from(all.len()).ok()?;
    let plain = if point <= 0 {
        format!("0.{}{all}", zeros(-point))
    } else if point >= length {
        format!("{all}{}", zeros(point - length))
    } else {
        let (whole, rest) = all.split_at_checked(usize::try_from(point).ok()?)?;
        format!("{whole}.{rest}")
    };
    Money::parse(&plain, currency)
}

/// The sum of amounts, all of one currency; `None` if one cannot be read, or there is none.
pub(crate) fn sum<'a>(each: impl Iterator<Item = Option<Money>> + 'a) -> Option<Money> {
    let mut sum: Option<Money> = None;
    for amount in each {
        let amount = amount?;
        sum = Some(match sum {
            None => amount,
            Some(sum) => sum.checked_add(amount)?,
        });
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_as_they_are_written() {
        let micros = |json| read(json, Currency::Usd).map(|money| money.micros);
        for (json, expected) in [
            ("12.34", 12_340_000),
            ("\"0.00123400\"", 1_234),
            ("0", 0),
            ("1e-6", 1),
            ("1.2E-5", 12),
            ("1.25e1", 12_500_000),
            ("3e2", 300_000_000),
            ("1.234567e3", 1_234_567_000),
        ] {
            assert_eq!(micros(json), Some(expected), "{json}");
        }
        for none in ["", "null", "-1", "1e", "e5", "1e400", "1e-31", "x1e2", "1.2.3e1"] {
            assert_eq!(micros(none), None, "{none}");
        }
    }

    #[test]
    fn a_sum_is_of_one_currency_or_none() {
        let amounts = |all: &[(i64, Currency)]| {
            let all: Vec<_> =
                all.iter().map(|(micros, currency)| Some(Money::new(*micros, *currency))).collect();
            sum(all.into_iter())
        };
        assert_eq!(amounts(&[(1, Currency::Cny), (2, Currency::Cny)]), Some(Money::new(3, Currency::Cny)));
        assert_eq!(amounts(&[(1, Currency::Cny), (2, Currency::Usd)]), None);
        assert_eq!(amounts(&[]), None);
        assert_eq!(sum([Some(Money::new(1, Currency::Cny)), None].into_iter()), None);
    }
}
