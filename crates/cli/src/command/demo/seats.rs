//! What each seat can try while the demo's ledger runs.

use std::fs;

use super::network::Network;
use super::samples;
use crate::folder;
use crate::outcome::Result;
use crate::screen::{Ink, Screen};

/// Lays out more badges, and says what to paste.
pub(super) fn lines(screen: Screen, network: &Network) -> Result<String> {
    let folder = network.folder();
    let inbox = folder.join("registrar-inbox");
    folder::make(&inbox)?;
    for (name, mut badge) in samples::unsigned_badges()? {
        let id = badge["id"]
            .as_str()
            .unwrap_or_default()
            .replace("4d9b", "4d9c");
        badge["id"] = id.into();
        badge["name"] = "Research Methods, 3 ECTS".into();
        fs::write(inbox.join(format!("new-{name}")), folder::to_json(&badge)?)?;
    }
    let head = |text: &str| screen.ink(Ink::Bold, text);
    let program = std::env::current_exe()?;
    let status = network.run(&["ledger", "status", "--json"])?;
    let status: serde_json::Value = serde_json::from_slice(&status.stdout)?;
    Ok(format!(
        r#"
The ledger runs at {url} until you press Ctrl-C. In another terminal:

  cd {folder}
  export CREDLOG_NODE={url}
  alias credlog='{program}'

{registrar}
  credlog issue registrar-inbox --out registrar --issuer-home university-a
  credlog suspend registrar/new-student-2.json --issuer-home university-a --reason misconduct
  credlog reinstate registrar/new-student-2.json --issuer-home university-a
  credlog revoke --csv registrar/issued.csv --where file=new-student-3.json --issuer-home university-a

{employer}
  credlog verify registrar issued/student-1.json
  credlog verify suspicious/13-undefined-term-added-rdfc.json
  curl -s {url}/v1/verify -H 'content-type: application/json' --data @issued/student-1.json

{auditor}
  credlog ledger status
  curl -s {url}/checkpoint
  curl -s {url}/v1/blocks/1
  curl -s {url}/tile/0/000.p/{size} | od -A d -t x1 | head -4
  cp -r member/data copy && credlog store check copy
"#,
        url = network.url(),
        size = status["size"],
        folder = folder.display(),
        program = program.display(),
        registrar = head("Registrar of University A: issue, suspend, reinstate, revoke"),
        employer = head("Employer: verify"),
        auditor = head("Auditor: read the log itself"),
    ))
}
