//! Templates: an unsigned credential with placeholders that a row of a table fills in.
//!
//! A placeholder `{{column}}` stands in a string, alone or with other text around it, and becomes
//! the row's value of that column. `{{column?}}` may be empty; a string that is nothing but such a
//! placeholder is then left out, with its property. `{{issuer}}`, `{{now}}`, `{{row}}` and
//! `{{uuid}}` are built in. `{{{{` stands for `{{`. Values are filled into strings of the JSON that
//! was read, never into its text, so whatever they hold, a string stays that string.

use std::collections::BTreeSet;
use std::fmt;

use credlog_credential::json::{Limits, parse_strict};
use serde_json::{Map, Value};

use crate::outcome::{Failure, Result};
use crate::screen::shown;

/// What is not a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BuiltIn {
    /// The issuer's id.
    Issuer,
    /// When the run began.
    Now,
    /// The number of the row.
    Row,
    /// A UUID that is made from the row's content, and so the same in every run.
    Uuid,
}

const BUILT_IN: [(&str, BuiltIn); 4] = [
    ("issuer", BuiltIn::Issuer),
    ("now", BuiltIn::Now),
    ("row", BuiltIn::Row),
    ("uuid", BuiltIn::Uuid),
];

/// A template whose placeholders are known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template {
    root: Node,
    used: BTreeSet<usize>,
    uses_now: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Fixed(Value),
    Text(Vec<Part>),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Column { at: usize, may_be_empty: bool },
    BuiltIn(BuiltIn),
}

/// The values for one credential.
pub(super) trait Values {
    /// The row's value of a column.
    fn column(&self, at: usize) -> &str;
    /// A built-in value.
    fn built_in(&self, which: BuiltIn) -> String;
}

/// A column that must not be empty is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EmptyColumn(pub(super) usize);

impl Template {
    /// Reads a template for a table with these columns.
    pub(super) fn parse(text: &[u8], columns: &[String]) -> Result<Self> {
        let document = parse_strict(text, Limits::DEFAULT)?;
        if document.get("proof").is_some() {
            return Err(Failure::input(
                "it is signed (it has a proof); a template is an unsigned credential",
            ));
        }
        let mut reading = Reading {
            columns,
            used: BTreeSet::new(),
            uses_now: false,
        };
        let root = reading.node(document, &Place::Root)?;
        Ok(Self {
            root,
            used: reading.used,
            uses_now: reading.uses_now,
        })
    }

    /// Whether a column is filled in anywhere.
    pub(super) fn uses(&self, column: usize) -> bool {
        self.used.contains(&column)
    }

    /// Whether the time of the run is filled in anywhere.
    pub(super) fn uses_now(&self) -> bool {
        self.uses_now
    }

    /// The credential for these values.
    pub(super) fn fill(&self, values: &impl Values) -> std::result::Result<Value, EmptyColumn> {
        Ok(fill(&self.root, values)?.unwrap_or(Value::Null))
    }
}

/// The value of a node; none if it is left out.
fn fill(node: &Node, values: &impl Values) -> std::result::Result<Option<Value>, EmptyColumn> {
    Ok(Some(match node {
        Node::Fixed(value) => value.clone(),
        Node::Text(parts) => {
            let text = text(parts, values)?;
            let optional = matches!(
                parts.as_slice(),
                [Part::Column {
                    may_be_empty: true,
                    ..
                }]
            );
            if optional && text.is_empty() {
                return Ok(None);
            }
            Value::String(text)
        }
        Node::Array(nodes) => {
            let mut items = Vec::with_capacity(nodes.len());
            for node in nodes {
                items.extend(fill(node, values)?);
            }
            Value::Array(items)
        }
        Node::Object(members) => {
            let mut object = Map::new();
            for (name, node) in members {
                if let Some(value) = fill(node, values)? {
                    object.insert(name.clone(), value);
                }
            }
            Value::Object(object)
        }
    }))
}

fn text(parts: &[Part], values: &impl Values) -> std::result::Result<String, EmptyColumn> {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(fixed) => text.push_str(fixed),
            Part::BuiltIn(which) => text.push_str(&values.built_in(*which)),
            Part::Column { at, may_be_empty } => {
                let value = values.column(*at);
                match (value.trim().is_empty(), may_be_empty) {
                    (true, false) => return Err(EmptyColumn(*at)),
                    (true, true) => {}
                    (false, _) => text.push_str(value),
                }
            }
        }
    }
    Ok(text)
}

/// Where something stands in the template, as a dotted path.
enum Place<'p> {
    Root,
    Member(&'p Place<'p>, &'p str),
    Item(&'p Place<'p>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(Self::Root, name) => f.write_str(&shown(name)),
            Self::Member(parent, name) => write!(f, "{parent}.{}", shown(name)),
            Self::Item(parent, at) => write!(f, "{parent}[{at}]"),
        }
    }
}

struct Reading<'c> {
    columns: &'c [String],
    used: BTreeSet<usize>,
    uses_now: bool,
}

impl Reading<'_> {
    fn node(&mut self, value: Value, place: &Place<'_>) -> Result<Node> {
        Ok(match value {
            Value::String(text) => match self.parts(&text, place)? {
                Some(parts) => Node::Text(parts),
                None => Node::Fixed(Value::String(text)),
            },
            Value::Array(items) => {
                let items = items.into_iter().enumerate();
                let nodes = items.map(|(at, item)| self.node(item, &Place::Item(place, at)));
                Node::Array(nodes.collect::<Result<_>>()?)
            }
            Value::Object(object) => {
                let mut members = Vec::with_capacity(object.len());
                for (name, value) in object {
                    let place = Place::Member(place, &name);
                    if name.contains("{{") {
                        return Err(Failure::input(format!(
                            "{place}: placeholders stand in values, not in names of properties"
                        )));
                    }
                    let node = self.node(value, &place)?;
                    members.push((name, node));
                }
                Node::Object(members)
            }
            other => Node::Fixed(other),
        })
    }

    /// The parts of a text with placeholders or escapes; none for a plain one.
    fn parts(&mut self, text: &str, place: &Place<'_>) -> Result<Option<Vec<Part>>> {
        if !text.contains("{{") {
            return Ok(None);
        }
        let mut parts = Vec::new();
        let mut fixed = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            fixed.push_str(before);
            if let Some(after) = after.strip_prefix("{{") {
                fixed.push_str("{{");
                rest = after;
                continue;
            }
            let Some((name, after)) = after.split_once("}}") else {
                return Err(Failure::input(format!(
                    "{place}: a placeholder has no end ({}); {{{{{{{{ stands for {{{{",
                    shown(text)
                )));
            };
            if !fixed.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut fixed)));
            }
            parts.push(self.placeholder(name.trim(), place)?);
            rest = after;
        }
        fixed.push_str(rest);
        if !fixed.is_empty() {
            parts.push(Part::Text(fixed));
        }
        Ok(Some(parts))
    }

    fn placeholder(&mut self, name: &str, place: &Place<'_>) -> Result<Part> {
        let (column, may_be_empty) = match name.strip_suffix('?') {
            Some(column) => (column.trim_end(), true),
            None => (name, false),
        };
        let built_in = BUILT_IN.iter().find(|(known, _)| *known == name);
        let at = self.columns.iter().position(|known| known == column);
        match (built_in, at) {
            (Some(_), Some(_)) => Err(Failure::input(format!(
                "{place}: {{{{{name}}}}} is built in, and there is a column of that name; rename \
                 the column"
            ))),
            (Some((_, which)), None) => {
                self.uses_now |= *which == BuiltIn::Now;
                Ok(Part::BuiltIn(*which))
            }
            (None, Some(at)) => {
                self.used.insert(at);
                Ok(Part::Column { at, may_be_empty })
            }
            (None, None) => Err(Failure::input(format!(
                "{place}: there is no column {:?}; there are {}, and built in are issuer, now, \
                 row and uuid",
                shown(column),
                shown(&self.columns.join(", "))
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use serde_json::json;

    struct Row(Vec<String>);

    impl Values for Row {
        fn column(&self, at: usize) -> &str {
            &self.0[at]
        }

        fn built_in(&self, which: BuiltIn) -> String {
            format!("<{which:?}>")
        }
    }

    fn columns() -> Vec<String> {
        ["name", "e-mail", "grade"].map(str::to_owned).to_vec()
    }

    fn filled(template: &Value, values: [&str; 3]) -> std::result::Result<Value, EmptyColumn> {
        let template = Template::parse(template.to_string().as_bytes(), &columns()).unwrap();
        template.fill(&Row(values.map(str::to_owned).to_vec()))
    }

    #[test]
    fn placeholders_are_filled_and_braces_can_be_written() {
        let template = json!({
            "whole": "{{name}}", "part": "mailto:{{ e-mail }}!", "two": "{{name}}/{{grade}}",
            "plain": "no } {placeholder}", "escaped": "{{{{name}} {{name}}", "number": 7,
            "nested": [{"id": "urn:uuid:{{uuid}}"}, "{{row}}", "{{issuer}}", "{{now}}"],
        });
        let expected = json!({
            "whole": "Ada", "part": "mailto:a@b.example!", "two": "Ada/1",
            "plain": "no } {placeholder}", "escaped": "{{name}} Ada", "number": 7,
            "nested": [{"id": "urn:uuid:<Uuid>"}, "<Row>", "<Issuer>", "<Now>"],
        });
        assert_eq!(filled(&template, ["Ada", "a@b.example", "1"]), Ok(expected));
    }

    #[test]
    fn empty_values_are_errors_unless_they_may_be_empty() {
        let template = json!({"a": "{{name}}", "b": "x{{grade}}"});
        assert_eq!(filled(&template, ["Ada", "", " "]), Err(EmptyColumn(2)));
        let template = json!({"a": "{{grade?}}", "b": ["{{grade?}}", "x{{grade?}}"]});
        assert_eq!(filled(&template, ["", "", ""]), Ok(json!({"b": ["x"]})));
        assert_eq!(
            filled(&template, ["", "", "2"]),
            Ok(json!({"a": "2", "b": ["2", "x2"]}))
        );
    }

    #[test]
    fn wrong_templates_say_where() {
        for (template, text) in [
            (
                json!({"a": [{"b": "{{nmae}}"}]}),
                "a[0].b: there is no column \"nmae\"",
            ),
            (json!({"a": "{{name"}), "a: a placeholder has no end"),
            (json!({"{{name}}": "a"}), "not in names"),
            (json!({"proof": {}}), "signed"),
        ] {
            let refused = Template::parse(template.to_string().as_bytes(), &columns());
            let message = refused.unwrap_err().message;
            assert!(message.contains(text), "{message}");
        }
        let clash = Template::parse(br#"{"a": "{{row}}"}"#, &["row".to_owned()]);
        assert!(clash.unwrap_err().message.contains("rename the column"));
    }

    /// Values that try to get out of their strings, and random ones.
    fn nasty(random: &mut StdRng) -> String {
        let fixed = [
            "\", \"admin\": true, \"x\": \"",
            "{{uuid}}",
            "\\",
            "\u{0}\n\r\u{2028}",
            " ",
            "",
        ];
        match random.gen_range(0..2 * fixed.len()) {
            at if at < fixed.len() => fixed[at].to_owned(),
            _ => {
                let length = random.gen_range(0..20);
                (0..length).map(|_| random.r#gen::<char>()).collect()
            }
        }
    }

    /// Whatever the values hold: the result is JSON with the template's shape, and each string
    /// is the text around its placeholders with the values as they came.
    #[test]
    fn values_never_leave_their_strings() {
        let template = json!({
            "a": "{{name}}", "b": {"c": ["<{{e-mail?}}>", 1, null], "d": "{{grade?}}"},
        });
        let template = Template::parse(template.to_string().as_bytes(), &columns()).unwrap();
        let mut random = StdRng::seed_from_u64(4);
        for _ in 0..5_000 {
            let values: Vec<_> = (0..3).map(|_| nasty(&mut random)).collect();
            let blank = |at: usize| values[at].trim().is_empty();
            match template.fill(&Row(values.clone())) {
                Err(EmptyColumn(at)) => assert!(at == 0 && blank(0)),
                Ok(filled) => {
                    let read: Value = serde_json::from_str(&filled.to_string()).unwrap();
                    let inner = if blank(1) { "" } else { &values[1] };
                    let mut expected = json!({
                        "a": values[0], "b": {"c": [format!("<{inner}>"), 1, null]},
                    });
                    if !blank(2) {
                        expected["b"]["d"] = json!(values[2]);
                    }
                    assert_eq!(read, expected);
                }
            }
        }
    }
}
