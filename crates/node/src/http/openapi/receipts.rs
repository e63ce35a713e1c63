//! The routes of receipts, and what verifiers follow a ledger with.

use credlog_api::receipt::{ConsistencyView, MemberHistory, ReceiptsAnswer, ReceiptsRequest};
use credlog_api::{Time, path};
use credlog_ledger::ids::{Digest, IssuerId};
use credlog_verify::receipt::Receipt;

use super::described::{Described, Operation, like, text, whole};

const TAG: &str = "receipts";
const SINCE: &str = "Changes of the member set are shown that came after this height.";

pub(super) fn all() -> Vec<Described> {
    vec![
        one().done(),
        tlog_proof().done(),
        many().done(),
        consistency(),
        history(),
    ]
}

fn one() -> Operation {
    Operation::get(path::RECEIPT, TAG, "receipt", "The receipt of a credential")
        .about(
            "Proves offline, with the genesis file alone, what the ledger says about a credential \
             (docs/formats.md, “Receipt”). Its bytes are canonical: keep them as they are. 404 \
             `not-anchored` names the checkpoint that was looked at; 409 `not-reached`: the ledger \
             is not attested up to `at` yet.",
        )
        .segment("digest", like::<Digest>())
        .query(
            "at",
            like::<Time>(),
            "The date asked about; absent for now.",
        )
        .query(
            "issuer",
            like::<IssuerId>(),
            "Its issuer; absent for everybody who issued it.",
        )
        .query("since", whole(), SINCE)
        .query(
            "trusted",
            whole(),
            "Leaves of the checkpoint that the verifier trusts: the receipt shows that it is of \
             one log with that.",
        )
        .json::<Receipt>("The receipt.")
        .problem(409)
}

fn tlog_proof() -> Operation {
    Operation::get(
        path::TLOG_PROOF,
        TAG,
        "tlogProof",
        "Its inclusion part, as C2SP tlog-proof",
    )
    .segment("digest", like::<Digest>())
    .query(
        "issuer",
        like::<IssuerId>(),
        "Its issuer; absent for the first who issued it.",
    )
    .answer(200, "text/plain; charset=utf-8", text(), "The proof.")
}

fn many() -> Operation {
    Operation::post(
        path::RECEIPTS,
        TAG,
        "receipts",
        "One receipt about many credentials",
    )
    .about("What they share is in it once. At most 1,024 credentials.")
    .json_body::<ReceiptsRequest>()
    .json::<ReceiptsAnswer>("The receipt, and which credentials are not on the ledger.")
    .problem(404)
    .problem(409)
}

fn consistency() -> Described {
    Operation::get(
        path::CONSISTENCY,
        TAG,
        "consistency",
        "That one log continues another",
    )
    .about("Between two sizes at which blocks end (RFC 6962 section 2.1.2).")
    .required_query("from", whole(), "Leaves of the older log.")
    .required_query("to", whole(), "Leaves of the newer log.")
    .json::<ConsistencyView>("The proof, with both roots.")
    .problem(404)
    .done()
}

fn history() -> Described {
    Operation::get(
        path::MEMBERS_HISTORY,
        TAG,
        "memberHistory",
        "The changes of the member set",
    )
    .about("Each with its proof, as in a receipt: what it takes to follow the members.")
    .query("since", whole(), SINCE)
    .json::<MemberHistory>("The changes, in order, up to the newest attested checkpoint.")
    .done()
}
