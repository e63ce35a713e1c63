//! `credlog bake` and `credlog unbake`: badges inside of images.

use std::path::PathBuf;

use clap::Args;
use credlog_credential::Form;
use credlog_credential::bake::{bake, unbake};
use serde_json::json;

use crate::folder::{self, Access};
use crate::outcome::{During, Failure, Result};
use crate::screen::Screen;
use crate::target::{self, Unreadable};

/// Put a signed credential into an image
///
/// The image stays as it is to the eye; whoever is given it can take the credential out, or hand
/// it to `credlog verify` as it is. A credential that the image carries already is replaced.
#[derive(Debug, Args)]
pub(crate) struct BakeArgs {
    /// A PNG or SVG image
    image: PathBuf,
    /// The credential: JSON, compact JWS, or an image that carries one
    credential: PathBuf,
    /// The image to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Take the credential out of an image
#[derive(Debug, Args)]
pub(crate) struct Unbake {
    /// A PNG or SVG image
    image: PathBuf,
    /// Where to write the credential; it must not exist [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl BakeArgs {
    pub(crate) fn run(self, screen: Screen) -> Result<()> {
        let image = folder::read(&self.image)?;
        let bytes = folder::read(&self.credential)?;
        let at = || self.credential.display().to_string();
        let payload = match Form::sniff(&bytes) {
            Some(Form::Png | Form::Svg) => unbake(&bytes).during(at)?,
            _ => String::from_utf8(bytes).during(at)?,
        };
        // An image that carries something else would disappoint whoever is given it.
        match target::parse(payload.as_bytes()) {
            Ok(credential) if !credential.is_secured() => {
                return Err(Failure::input(format!(
                    "{} is not signed; `credlog issue` signs and anchors it",
                    at()
                )));
            }
            Ok(_) => {}
            Err(Unreadable::File(failure)) => return Err(failure.during(at())),
            Err(Unreadable::NoCredential { reason, .. }) => {
                return Err(Failure::input(format!(
                    "{} is no credential: {reason}",
                    at()
                )));
            }
        }
        let baked = bake(&image, &payload).during(|| self.image.display().to_string())?;
        folder::write_new(&self.out, &baked, Access::Public)?;
        let answer = json!({"out": self.out, "bytes": baked.len()});
        let line = format!("Made {} with the credential inside.", self.out.display());
        screen.answer(&answer, line)
    }
}

impl Unbake {
    pub(crate) fn run(self, screen: Screen) -> Result<()> {
        let image = folder::read(&self.image)?;
        let text = unbake(&image).during(|| self.image.display().to_string())?;
        let form = match Form::sniff(text.as_bytes()) {
            Some(Form::Jws) => "jws",
            _ => "json",
        };
        let Some(out) = &self.out else {
            return screen.answer(&json!({"form": form, "credential": text}), &text);
        };
        folder::write_new(out, format!("{text}\n").as_bytes(), Access::Public)?;
        let line = format!("Wrote the credential ({form}) to {}.", out.display());
        screen.answer(&json!({"form": form, "out": out}), line)
    }
}
