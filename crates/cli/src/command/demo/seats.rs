//! What each seat can try while the demo's ledger runs.

use super::network::Institution::{Board, Chamber, Ministry, Rectors};
use super::network::{INSTITUTIONS, Network};
use super::samples::{self, Series};
use crate::outcome::Result;
use crate::screen::{Ink, Screen};

/// Lays out more badges, and says what to paste.
pub(super) fn lines(screen: Screen, network: &Network) -> Result<String> {
    let folder = network.folder();
    samples::write_badges(&folder.join("registrar-inbox"), Series::ToTry)?;
    let head = |text: &str| screen.ink(Ink::Bold, text);
    let program = std::env::current_exe()?;
    let nodes: Vec<_> = INSTITUTIONS
        .map(|member| {
            let process = network.process_id(member).unwrap_or_default();
            format!(
                "  {:8}  {}  process {process}",
                member.id(),
                network.url(member)
            )
        })
        .into();
    Ok(format!(
        r#"
The ledger runs until you press Ctrl-C:

{nodes}

In another terminal:

  cd {folder}
  export CREDLOG_NODE={ministry}
  alias credlog='{program}'

{registrar}
  credlog issue registrar-inbox --out registrar --issuer-home university-a
  credlog suspend registrar/new-student-2.json --issuer-home university-a --reason misconduct
  credlog reinstate registrar/new-student-2.json --issuer-home university-a
  credlog revoke --csv registrar/issued.csv --where file=new-student-3.json --issuer-home university-a

{employer}
  {chamber}/     in a browser: choose issued/student-1.json
  credlog verify registrar issued/student-1.json --node {chamber}
  credlog verify suspicious/13-undefined-term-added-rdfc.json
  curl -s {board}/v1/status-lists/0/revocation     # for verifiers that know no ledger
  curl -s {chamber}/v1/verify -H 'content-type: application/json' --data @issued/student-1.json

{member}
  kill -9 {victim}     # the demo starts it again after 5 s; issue something meanwhile
  credlog ledger status --node {rectors}
  cat rectors/node.log

{auditor}
  credlog ledger status --node {board}
  curl -s {board}/checkpoint
  curl -s {board}/v1/certificates/1 | od -A d -t x1 | head -4
  curl -s {board}/v1/blocks/1
  cp -r board/data copy && credlog store check copy
"#,
        nodes = nodes.join("\n"),
        folder = folder.display(),
        program = program.display(),
        board = network.url(Board),
        ministry = network.url(Ministry),
        rectors = network.url(Rectors),
        chamber = network.url(Chamber),
        victim = network.process_id(Rectors).unwrap_or_default(),
        registrar = head("Registrar of University A: issue, suspend, reinstate, revoke"),
        employer = head("Employer: verify, at a node of your choice"),
        member = head("Member: lose a node"),
        auditor = head("Auditor: read the log itself"),
    ))
}
