/**
 * Verifies credlog receipts offline: from the genesis file of a ledger, or from a trust file.
 *
 * Written from docs/formats.md alone. It opens no connection and reads no file.
 */

export { verifyReceipt } from "./verify.js";
export type {
  Accepted, Options, Proof, Refused, RefusalCode, Result, Statement, Status, Unknown, UnknownCode,
} from "./verify.js";
export { anchorOfGenesis, anchorOfTrust } from "./trust.js";
export type { Anchor, Newest, TrustFile } from "./trust.js";
export { Bad } from "./bytes.js";
