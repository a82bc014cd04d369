use domain::workflow::cel::Expression;
#[test]
fn probe() {
    let which = std::env::var("WHICH").unwrap_or_default();
    let n: usize = std::env::var("N").unwrap_or("100".into()).parse().unwrap();
    let s = match which.as_str() {
        "paren" => format!("{}1{}", "(".repeat(n), ")".repeat(n)),
        "list" => format!("{}{}", "[".repeat(n), "]".repeat(n)),
        "chain" => vec!["1"; n].join("+"),
        "select" => format!("params{}", ".a".repeat(n)),
        "not" => format!("{}true", "!".repeat(n)),
        "minus" => format!("{}1", "- ".repeat(n)),
        "tern" => format!("{}1{}", "true?".repeat(n), ":1".repeat(n)),
        "tern2" => format!("{}1", "true?1:".repeat(n)),
        "and" => vec!["true"; n].join("&&"),
        "rel" => vec!["1"; n].join("<"),
        "index" => format!("params{}", "[0]".repeat(n)),
        "call" => format!("{}1{}", "size(".repeat(n), ")".repeat(n)),
        "map" => format!("{}1{}", "{1:".repeat(n), "}".repeat(n)),
        "mac" => format!("{}true{}", "[1].all(x,".repeat(n), ")".repeat(n)),
        _ => return,
    };
    println!("{which} {n} {:?}", Expression::compile(&s).map(|_| ()).map_err(|e| e.to_string().chars().take(60).collect::<String>()));
}
