use credlog_verify::receipt::{STAPLE_MEMBER, StapleError, staple, unstaple};
use serde_json::json;

use crate::wanted;
use crate::world::{VALID, World};

#[test]
fn a_stapled_receipt_comes_off_as_it_went_on() {
    let receipt = World::small().make(&wanted(&[VALID])).unwrap();
    let original = json!({"type": ["VerifiableCredential"], "id": "urn:x:1"});
    let mut credential = original.clone();
    staple(&mut credential, &receipt).unwrap();
    // Written by somebody else's JSON library, in another order.
    let text = serde_json::to_string_pretty(&credential).unwrap();
    let mut credential = serde_json::from_str(&text).unwrap();
    assert_eq!(unstaple(&mut credential), Ok(Some(receipt.clone())));
    assert_eq!(credential, original);
    assert_eq!(unstaple(&mut credential), Ok(None));
    assert_eq!(staple(&mut json!([]), &receipt), Err(StapleError::NoObject));
    let mut wrong = json!({"id": 1, STAPLE_MEMBER: {"type": "credlog/receipt/v1"}});
    assert!(matches!(unstaple(&mut wrong), Err(StapleError::Receipt(_))));
    assert_eq!(wrong, json!({"id": 1}));
}
