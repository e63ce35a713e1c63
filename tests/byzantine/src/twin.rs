//! A second process with the consensus key of a member: it votes against whatever the first one
//! votes for. Under the network identity of an observer, which the members let in.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use credlog_consensus::{
    Application, Candidate, Consensus, Decided, Fatal, Judgement, Role, Undecided,
};
use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::evidence::Equivocation;
use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::{Height, MemberId, Round, ValueId};
use credlog_ledger::member::MemberSet;
use credlog_node::Config;
use credlog_node::keys::Keyring;
use credlog_node::peers::Configured;

/// Follows the heights and finds every block bad, so that it prevotes nil.
struct Contrary {
    members: MemberSet,
    tip: Height,
}

/// Runs until the process is ended. `keys` is the member's folder of keys, relative to that of
/// the configuration, which is an observer's.
pub(crate) async fn run(keys: &Path, config: PathBuf) -> Result<()> {
    let folder = config.parent().context("no folder")?.to_owned();
    let config = Config::load(&config)?;
    let genesis = config.node.genesis.clone().context("no genesis file")?;
    let genesis = Genesis::parse(&std::fs::read(genesis)?)?;
    let observer = Keyring::load(&config.member, credlog_node::config::Role::Observer)?;
    let mut member = config.member.clone();
    member.keys_dir = folder.join(keys);
    let stolen = Keyring::load(&member, credlog_node::config::Role::Member)?;
    let members = genesis.member_set();
    let configured = Configured::of(&config.network)?;
    let role = Role::Validator {
        consensus: stolen.member.context("no consensus key")?.consensus,
    };
    let mut settings = credlog_consensus::Config::new(
        genesis.ledger_id()?,
        observer.node,
        role,
        configured.listen.to_string(),
        folder.join("twin.wal"),
    );
    settings.peers = configured.peers(&members).consensus;
    let tip = Height(0);
    let consensus = Consensus::start(settings, Contrary { members, tip }).await?;
    Err(consensus.failed().await.into())
}

impl Application for Contrary {
    fn tip(&self) -> Height {
        self.tip
    }

    fn members(&self) -> Result<MemberSet, Fatal> {
        Ok(self.members.clone())
    }

    fn is_pending(&self) -> bool {
        true
    }

    fn start(&mut self, _: Height) -> Result<(), Fatal> {
        Ok(())
    }

    fn begin_round(
        &mut self,
        _: Height,
        _: Round,
        _: &MemberId,
        _: &dyn Fn(&ValueId) -> bool,
    ) -> Result<Vec<Undecided>, Fatal> {
        Ok(Vec::new())
    }

    fn propose(&mut self, _: Height, _: Round) -> Result<Option<Candidate>, Fatal> {
        Ok(None)
    }

    fn check(&mut self, _: Candidate, _: bool) -> Result<Judgement, Fatal> {
        Ok(Judgement::Invalid)
    }

    fn check_decided(&mut self, _: Candidate) -> Result<Judgement, Fatal> {
        Ok(Judgement::Valid)
    }

    fn candidate(&self, _: Height, _: &ValueId) -> Result<Option<Candidate>, Fatal> {
        Ok(None)
    }

    fn commit(&mut self, certificate: &CommitCertificate) -> Result<(), Fatal> {
        self.tip = certificate.height;
        Ok(())
    }

    fn finalize(&mut self, _: &CommitCertificate, _: Vec<Equivocation>) -> Result<(), Fatal> {
        Ok(())
    }

    fn decided(&self, _: Height, _: u64, _: usize) -> Result<Vec<Decided>, Fatal> {
        Ok(Vec::new())
    }
}
