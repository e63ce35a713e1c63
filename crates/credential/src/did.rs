//! DID documents and other controlled identifier documents: which keys an identifier has, and for
//! what (W3C DID Core v1.0 section 5, Controlled Identifiers v1.0 section 2).
//!
//! ```json
//! {
//!   "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
//!   "id": "did:web:university-a.example",
//!   "verificationMethod": [{
//!     "id": "did:web:university-a.example#z6Mk…",
//!     "type": "Multikey",
//!     "controller": "did:web:university-a.example",
//!     "publicKeyMultibase": "z6Mk…"
//!   }],
//!   "assertionMethod": ["did:web:university-a.example#z6Mk…"]
//! }
//! ```
//!
//! A document is what somebody says about an identifier: where it comes from, and whether to
//! believe it, is the caller's matter. Nothing is fetched here; [`did_web_url`] tells where a
//! did:web document would be. A key of a document counts only under the relationship that the
//! proof's purpose names, and only if the method's controller is the document's own identifier.

mod document;
mod documents;
mod method;
mod published;
mod web;

pub use self::document::{DidDocument, DidError};
pub use self::documents::{DOCUMENTS_MAX, Documents};
pub use self::published::{KeyState, PublishedKey};
pub use self::web::{did_web_of_url, did_web_url};
