//! In which form issued credentials are written.

use std::path::Path;

use credlog_credential::bake::bake;
use credlog_credential::{Credential, Form};

use crate::folder;
use crate::outcome::{During, Failure, Result};

/// The form of the files in the output folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Output {
    /// Unsigned credentials become compact JWS; else JSON with a Data Integrity proof.
    pub(super) as_jws: bool,
    /// The image that carries each of them.
    pub(super) image: Option<Image>,
}

/// An image to bake credentials into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) bytes: Vec<u8>,
    extension: &'static str,
}

impl Image {
    /// Reads an image and makes sure that it can carry a credential.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = folder::read(path)?;
        let extension = match Form::sniff(&bytes) {
            Some(Form::Png) => "png",
            Some(Form::Svg) => "svg",
            _ => {
                return Err(Failure::input(format!(
                    "{} is no PNG or SVG image",
                    path.display()
                )));
            }
        };
        bake(&bytes, "{}").during(|| path.display().to_string())?;
        Ok(Self { bytes, extension })
    }

    /// How the journal knows it again.
    pub(super) fn id(&self) -> String {
        blake3::hash(&self.bytes).to_hex().to_string()
    }
}

impl Output {
    fn extension(&self) -> &'static str {
        match (&self.image, self.as_jws) {
            (Some(image), _) => image.extension,
            (None, true) => "jwt",
            (None, false) => "json",
        }
    }

    /// Name of the file for a name without extension.
    pub(super) fn file(&self, stem: &str) -> String {
        format!("{stem}.{}", self.extension())
    }

    /// Name of the file for a credential that came in a file of this name. One that is signed
    /// stays what it is, inside of an image too.
    pub(super) fn file_for(&self, name: &str, credential: &Credential) -> String {
        let stays = credential.is_secured() || !self.as_jws;
        if stays && self.image.is_none() {
            return name.to_owned();
        }
        self.file(name.rsplit_once('.').map_or(name, |(stem, _)| stem))
    }
}
