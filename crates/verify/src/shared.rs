//! Parts of an answer that many answers share.

use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// A part of an answer that many answers share: a clone copies nothing, and its JSON is made
/// once, where it was prepared for that.
///
/// It reads and writes as the value itself. What was prepared is for `serde_json` alone, which
/// writes it in one line also where it indents.
#[derive(Debug)]
pub struct Shared<T>(Arc<Inner<T>>);

#[derive(Debug)]
struct Inner<T> {
    value: T,
    json: Option<Box<RawValue>>,
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(Inner { value, json: None }))
    }
}

impl<T: Serialize> Shared<T> {
    /// With its JSON, for many answers. A value without a JSON form fails where it is written.
    pub(crate) fn prepared(value: T) -> Self {
        let json = to_raw_value(&value).ok();
        Self(Arc::new(Inner { value, json }))
    }
}

impl<T> Shared<T> {
    /// Bytes of the JSON that was prepared.
    pub(crate) fn prepared_bytes(&self) -> usize {
        self.0.json.as_ref().map_or(0, |json| json.get().len())
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Shared<T> {}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.json {
            Some(json) => json.serialize(serializer),
            None => self.0.value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        T::deserialize(de).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_reads_and_writes_as_the_value() {
        let value = BTreeMap::from([("a\"\n", vec![1.5, 2.0]), ("b", vec![])]);
        let json = serde_json::to_string(&value).unwrap();
        for shared in [Shared::from(value.clone()), Shared::prepared(value.clone())] {
            let inside = serde_json::to_string(&[&shared, &shared.clone()]).unwrap();
            assert_eq!(inside, format!("[{json},{json}]"));
            let read: Shared<BTreeMap<String, Vec<f64>>> = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), json);
            let as_value = serde_json::to_value(&shared).unwrap();
            assert_eq!(as_value, serde_json::to_value(&value).unwrap());
        }
    }

    #[test]
    fn what_has_no_json_form_is_an_error() {
        let shared = Shared::prepared(BTreeMap::from([((1, 2), 3)]));
        assert!(serde_json::to_string(&shared).is_err());
    }
}
