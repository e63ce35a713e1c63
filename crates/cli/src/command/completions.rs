//! `credlog completions`: scripts that complete commands in a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print the completion script of a shell
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run<C: CommandFactory>(&self) {
        let mut command = C::command();
        clap_complete::generate(self.shell, &mut command, "credlog", &mut std::io::stdout());
    }
}
