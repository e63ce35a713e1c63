//! Every field of a record or seal, changed one at a time, by way of its JSON form.

use serde_json::{Map, Value};

/// Every value that differs from `value` in one field, with the place of the field. What the
/// change makes of it need not be well formed.
pub(crate) fn variants(value: &Value) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    walk(value, &mut String::new(), &mut |place, changed| {
        out.push((place.to_owned(), changed));
    });
    out
}

fn walk(value: &Value, place: &mut String, tell: &mut dyn FnMut(&str, Value)) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                let length = place.len();
                place.push_str(&format!("/{name}"));
                walk(inner, place, &mut |place, changed| {
                    let mut object: Map<String, Value> = object.clone();
                    object.insert(name.clone(), changed);
                    tell(place, Value::Object(object));
                });
                place.truncate(length);
            }
        }
        Value::Array(array) => {
            for (at, inner) in array.iter().enumerate() {
                let length = place.len();
                place.push_str(&format!("/{at}"));
                walk(inner, place, &mut |place, changed| {
                    let mut array = array.clone();
                    array[at] = changed;
                    tell(place, Value::Array(array));
                });
                place.truncate(length);
            }
            if !array.is_empty() {
                tell(
                    &format!("{place} shorter"),
                    Value::Array(array[1..].to_vec()),
                );
            }
        }
        Value::Null => tell(place, Value::from(1_900_000_000_000_u64)),
        Value::Bool(bool) => tell(place, Value::Bool(!bool)),
        Value::Number(number) => {
            tell(place, Value::from(number.as_u64().unwrap() + 1));
        }
        Value::String(text) => {
            for changed in other_texts(text) {
                tell(place, Value::String(changed));
            }
        }
    }
}

/// Texts that differ in one character: hex, base64 and names each accept one of them.
fn other_texts(text: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for (at, replace) in [
        (text.len() / 2, ['0', '1']),
        (text.len().saturating_sub(3), ['A', 'B']),
        (text.len().saturating_sub(1), ['d', 'e']),
    ] {
        let mut bytes = text.as_bytes().to_vec();
        let Some(byte) = bytes.get_mut(at) else {
            continue;
        };
        *byte = match *byte == replace[0] as u8 {
            true => replace[1] as u8,
            false => replace[0] as u8,
        };
        texts.extend(String::from_utf8(bytes));
    }
    texts
}
