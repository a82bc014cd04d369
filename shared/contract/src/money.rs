//! An amount on the wire: a decimal text, so that no client reads a price into a float by accident.

use serde::Serialize;
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
