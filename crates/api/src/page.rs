//! Paging: `?after=&limit=`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Items on a page when no limit is given.
pub const LIMIT_DEFAULT: u32 = 100;
/// Most items on a page.
pub const LIMIT_MAX: u32 = 1_000;

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items, in the order of the list.
    pub items: Vec<T>,
    /// Give this as `after` to read on; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PageQuery {
    /// `next` of the page before; absent for the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Most items wanted, 1 to [`LIMIT_MAX`]; [`LIMIT_DEFAULT`] if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A limit outside of 1 to [`LIMIT_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("limit is {limit}; 1 to {LIMIT_MAX} items can be asked for")]
pub struct LimitOutOfRange {
    /// The limit asked for.
    pub limit: u32,
}

impl PageQuery {
    /// The number of items wanted.
    ///
    /// # Errors
    /// [`LimitOutOfRange`].
    pub fn limit(&self) -> Result<u32, LimitOutOfRange> {
        match self.limit.unwrap_or(LIMIT_DEFAULT) {
            limit @ 1..=LIMIT_MAX => Ok(limit),
            limit => Err(LimitOutOfRange { limit }),
        }
    }
}
