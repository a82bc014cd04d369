//! An amount on the wire: a decimal text, so that no client reads a price into a float by accident.

use domain::job::FieldError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An amount of money, exact to a millionth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"amount": "0.440000", "currency": "USD"}))]
pub struct Money {
    /// A decimal number with six digits behind the point.
    #[schema(pattern = r"^-?[0-9]+\.[0-9]{6}$")]
    pub amount: String,
    /// The ISO 4217 code of what the provider bills in.
    pub currency: String,
}

impl From<domain::Money> for Money {
    fn from(money: domain::Money) -> Self {
        let sign = if money.micros < 0 { "-" } else { "" };
        let micros = money.micros.unsigned_abs();
        Self {
            amount: format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000),
            currency: money.currency.code().to_owned(),
        }
    }
}

/// A currency by its ISO 4217 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// US dollar.
    Usd,
    /// Renminbi.
    Cny,
}

impl From<domain::Currency> for Currency {
    fn from(currency: domain::Currency) -> Self {
        match currency {
            domain::Currency::Usd => Self::Usd,
            domain::Currency::Cny => Self::Cny,
        }
    }
}

impl From<Currency> for domain::Currency {
    fn from(currency: Currency) -> Self {
        match currency {
            Currency::Usd => Self::Usd,
            Currency::Cny => Self::Cny,
        }
    }
}

/// An amount in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"amount": "0.80", "currency": "USD"}))]
pub struct Price {
    /// A decimal; digits behind the sixth are rounded.
    #[schema(pattern = r"^[0-9]+(\.[0-9]*)?$")]
    pub amount: String,
    pub currency: Currency,
}

impl Price {
    /// The exact amount, or what is wrong with it under the name of the request's `field`.
    pub fn read(&self, field: &str) -> Result<domain::Money, FieldError> {
        domain::Money::parse(&self.amount, self.currency.into()).ok_or_else(|| {
            FieldError::new(
                format!("{field}.amount"),
                "is not an amount: expected a decimal that is not negative, such as \"0.50\"",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_written_and_read_exactly() {
        let price = domain::Money::new(440_000, domain::Currency::Usd);
        assert_eq!(Money::from(price).amount, "0.440000");
        assert_eq!(Price { amount: "0.440000".into(), currency: Currency::Usd }.read("price"), Ok(price));
    }

    #[test]
    fn a_negative_amount_names_its_field() {
        let price = Price { amount: "-0.5".into(), currency: Currency::Usd };
        assert_eq!(price.read("max_price_per_hour").unwrap_err().field, "max_price_per_hour.amount");
    }
}
