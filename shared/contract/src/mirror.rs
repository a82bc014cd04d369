//! Domain words on the wire. The domain knows nothing of OpenAPI, so each of its words has a twin here, and the match in
//! the conversion fails to compile when one of the two gets a word more.

/// Makes a twin of a domain enum without fields, with both conversions.
macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident of $domain:ty { $($(#[$word:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$word])* $variant),+
        }

        impl From<$domain> for $name {
            fn from(word: $domain) -> Self {
                match word {
                    $(<$domain>::$variant => Self::$variant),+
                }
            }
        }

        impl From<$name> for $domain {
            fn from(word: $name) -> Self {
                match word {
                    $($name::$variant => Self::$variant),+
                }
            }
        }
    };
}

pub(crate) use mirror;
