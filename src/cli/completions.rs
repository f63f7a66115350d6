use anyhow::Result;
use clap_complete::Shell;

use super::{language, output};

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// bash, zsh, fish, elvish or powershell
    shell: Shell,
}

const EXAMPLES: &str = "Examples:
  trasvase completions bash >~/.local/share/bash-completion/completions/trasvase
  trasvase completions zsh >~/.zfunc/_trasvase";

impl Arguments {
    pub(super) fn run(&self) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut language::command(), "trasvase", &mut script);
        output::bytes(&script);
        Ok(())
    }
}
