//! In which line of a YAML text a place of the definition stands, as well as its layout says.
//!
//! The parser does not tell places. Most definitions are written block by block, one key a line, and there the indentation
//! tells: what cannot be found deeper (in a value written in one line, or behind an alias) is told by the line of what holds
//! it.

use crate::job::FieldError;

/// A line that says something: its number from 1, its indentation, and the rest.
#[derive(Debug, Clone, Copy)]
struct Line<'t> {
    number: u32,
    indent: usize,
    text: &'t str,
}

/// The line that an error of a definition written as `yaml` is about, if it is known.
pub fn line_of(yaml: &str, error: &FieldError) -> Option<u32> {
    if let Some((_, place)) = error.message.rsplit_once(" at line ")
        && let Some(number) = place.split_ascii_whitespace().next().and_then(|number| number.parse().ok())
    {
        return Some(number);
    }
    let lines: Vec<Line<'_>> =
        (1..).zip(yaml.lines()).filter_map(|(number, text)| line(number, text)).collect();
    let mut block = lines;
    let mut found = None;
    for segment in segments(&error.field) {
        let Some((number, below)) = descend(&block, &segment) else { break };
        found = Some(number);
        block = below;
    }
    found
}

fn line(number: u32, text: &str) -> Option<Line<'_>> {
    let rest = text.trim_start_matches(' ');
    let says = !rest.trim().is_empty() && !rest.starts_with('#') && rest.trim_end() != "---";
    says.then_some(Line { number, indent: text.len() - rest.len(), text: rest })
}

/// One step of a path.
#[derive(Debug, PartialEq, Eq)]
enum Segment<'p> {
    Key(&'p str),
    Index(usize),
}

/// `nodes.train.depends_on[0]`: three keys and an index.
fn segments(path: &str) -> Vec<Segment<'_>> {
    let mut found = Vec::new();
    for part in path.split('.') {
        let mut pieces = part.split('[');
        found.extend(pieces.next().filter(|key| !key.is_empty()).map(Segment::Key));
        let index = |piece: &str| piece.strip_suffix(']').and_then(|index| index.parse().ok());
        found.extend(pieces.filter_map(index).map(Segment::Index));
    }
    found
}

/// The line of a key or an item of a block, and the lines below it.
fn descend<'t>(block: &[Line<'t>], segment: &Segment<'_>) -> Option<(u32, Vec<Line<'t>>)> {
    let indent = block.first()?.indent;
    let is_item = |line: &Line<'_>| line.text == "-" || line.text.starts_with("- ");
    // The items of a list may stand as far left as the key that holds it.
    let is_own = |line: &Line<'_>| match segment {
        Segment::Key(_) => line.indent == indent && !is_item(line),
        Segment::Index(_) => line.indent == indent && is_item(line),
    };
    let at = match segment {
        Segment::Key(key) => block.iter().position(|line| is_own(line) && has_key(line.text, key))?,
        Segment::Index(index) => {
            block.iter().enumerate().filter(|(_, line)| is_own(line)).nth(*index).map(|(at, _)| at)?
        }
    };
    let rest = &block[at + 1..];
    let end = rest.iter().position(|line| {
        line.indent < indent || is_own(line) || line.indent == indent && matches!(segment, Segment::Index(_))
    });
    let mut below = rest[..end.unwrap_or(rest.len())].to_vec();
    if let Segment::Index(_) = segment {
        // `- name: a`: the item's first key stands in the line of its dash.
        let item = block[at].text[1..].trim_start();
        if !item.is_empty() {
            let indent = indent + block[at].text.len() - item.len();
            below.insert(0, Line { number: block[at].number, indent, text: item });
        }
    }
    Some((block[at].number, below))
}

/// Whether a line begins with this key, plain or quoted.
fn has_key(text: &str, key: &str) -> bool {
    let rest = match text.as_bytes().first() {
        Some(quote @ (b'"' | b'\'')) => {
            text[1..].strip_prefix(key).and_then(|rest| rest.strip_prefix(char::from(*quote)))
        }
        _ => text.strip_prefix(key),
    };
    rest.map(str::trim_start)
        .and_then(|rest| rest.strip_prefix(':'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{Format, Workflow};

    const YAML: &str = r#"# A comment first
name: a
description: |
  nodes:
    train: not a node
nodes:
  train:
    job:
      image: i
      command: [c]
    depends_on:
    - prepare
    - node: nobody
      if: "true"

  "prepare": {job: {image: i, command: [c]}, when: "1 +"}
  group:
    parallel:
      - name: one
        condition: nodes.train.output.x
      - condition: "true"
        name: two
        retry:
          max_attempts: 99
"#;

    #[test]
    fn a_place_is_in_its_line_or_in_that_of_what_holds_it() {
        for (path, line) in [
            ("name", Some(2)),
            ("nodes", Some(6)),
            ("nodes.train", Some(7)),
            ("nodes.train.job.image", Some(9)),
            ("nodes.train.job.command[0]", Some(10)),
            ("nodes.train.depends_on[0]", Some(12)),
            ("nodes.train.depends_on[1]", Some(13)),
            ("nodes.train.depends_on[1].if", Some(14)),
            ("nodes.prepare.when", Some(16)),
            ("nodes.group.parallel[0].condition", Some(20)),
            ("nodes.group.parallel[1]", Some(21)),
            ("nodes.group.parallel[1].name", Some(22)),
            ("nodes.group.parallel[1].retry.max_attempts", Some(24)),
            ("nodes.nobody", Some(6)),
            ("timeout_seconds", None),
        ] {
            assert_eq!(line_of(YAML, &FieldError::new(path, "is wrong")), line, "{path}");
        }
    }

    #[test]
    fn what_validation_says_has_lines() {
        let workflow = Workflow::read(YAML, Format::Yaml).expect("it has the form of a definition");
        let errors = workflow.validate().expect_err("it is wrong");
        assert!(errors.len() >= 2, "{errors:?}");
        for error in errors {
            assert!(line_of(YAML, &error).is_some_and(|line| line >= 6), "{error:?}");
        }
        let broken = Workflow::read("name: a\nnodes:\n  - b: [\n", Format::Yaml).expect_err("no YAML");
        assert!(line_of("", &broken[0]).is_some_and(|line| line >= 3), "{broken:?}");
    }
}
