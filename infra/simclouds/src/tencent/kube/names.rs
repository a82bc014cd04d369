//! What names, labels and quantities may look like.

/// Of a label or a host: letters, digits and dashes.
pub(crate) fn dns_label(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

/// Labels with dots between them.
pub(crate) fn dns_subdomain(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|part| dns_label(part) || (part.len() > 63 && dns_label(&part[..63])))
}

fn word(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

pub(crate) fn label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => dns_subdomain(prefix) && word(name),
        None => word(text),
    }
}

pub(crate) fn label_value(text: &str) -> bool {
    text.is_empty() || word(text)
}

pub(crate) fn variable(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'=')
}

/// As a number, where it is one.
pub(crate) fn quantity(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 13] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    let (digits, unit) =
        UNITS.iter().find_map(|(end, unit)| Some((text.strip_suffix(end)?, *unit))).unwrap_or((text, 1.0));
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b".e+-".contains(&b));
    let number: f64 = digits.parse().ok().filter(|_| plain)?;
    (number.is_finite() && number >= 0.0).then_some(number * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_cluster_would_take() {
        for good in ["a", "gp-job-0001", "a.b-c"] {
            assert!(dns_subdomain(good), "{good}");
        }
        for bad in ["", "A", "a_b", "-a", "a-", "a..b"] {
            assert!(!dns_subdomain(bad), "{bad}");
        }
        assert!(label_key("gp.io/job") && label_key("app") && !label_key("gp:job") && !label_key("/a"));
        assert!(
            label_value("") && label_value("A_b.c") && !label_value("a b") && !label_value(&"x".repeat(64))
        );
    }

    #[test]
    fn quantities_have_units() {
        assert_eq!(quantity("500m"), Some(0.5));
        assert_eq!(quantity("16Gi"), Some(17_179_869_184.0));
        assert_eq!(quantity("1"), Some(1.0));
        assert_eq!(quantity("1 GB"), None);
        assert_eq!(quantity("-1"), None);
    }
}
