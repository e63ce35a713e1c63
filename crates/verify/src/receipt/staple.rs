//! Stapling: a receipt inside of the credential that it is about.

use serde_json::Value;

use super::{Receipt, Refusal};

/// The member of a credential's JSON that holds a stapled receipt. It is no part of what the
/// issuer signed: it is taken out before anything else is done.
pub const STAPLE_MEMBER: &str = "credlogReceipt";

/// A receipt that cannot be stapled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StapleError {
    /// Only an object can carry one.
    #[error("a receipt can be stapled to a credential in JSON alone, which is an object")]
    NoObject,
    /// What is stapled there is no receipt.
    #[error(transparent)]
    Receipt(#[from] Refusal),
}

/// Puts a receipt into a credential, in the place of one that was there.
///
/// # Errors
/// [`StapleError::NoObject`].
pub fn staple(credential: &mut Value, receipt: &Receipt) -> Result<(), StapleError> {
    let bytes = receipt.to_bytes()?;
    let value = serde_json::from_slice(&bytes)
        .map_err(|error| super::form::malformed(error.to_string()))?;
    let object = credential.as_object_mut().ok_or(StapleError::NoObject)?;
    object.insert(STAPLE_MEMBER.to_owned(), value);
    Ok(())
}

/// Takes a stapled receipt out of a credential; `None` if there is none.
///
/// # Errors
/// [`StapleError::Receipt`] if what is there has not the form of a receipt; it is out then, too.
pub fn unstaple(credential: &mut Value) -> Result<Option<Receipt>, StapleError> {
    let object = credential.as_object_mut();
    let Some(value) = object.and_then(|object| object.remove(STAPLE_MEMBER)) else {
        return Ok(None);
    };
    let bytes = serde_json_canonicalizer::to_vec(&value)
        .map_err(|error| super::form::malformed(error.to_string()))?;
    Ok(Some(Receipt::parse(&bytes)?))
}
