//! The forms in which a credential travels.

use crate::bake::SIGNATURE;

/// What a file or a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// A credential or presentation as JSON.
    Json,
    /// A credential or presentation as a compact JWS.
    Jws,
    /// A PNG image with either of them inside.
    Png,
    /// An SVG image with either of them inside.
    Svg,
}

/// The media types of each form; parameters and capitals make no difference.
const MEDIA_TYPES: &[(&str, Form)] = &[
    ("application/json", Form::Json),
    ("application/ld+json", Form::Json),
    ("application/vc", Form::Json),
    ("application/vp", Form::Json),
    ("application/vc+ld+json", Form::Json),
    ("application/vp+ld+json", Form::Json),
    ("application/vc+jwt", Form::Jws),
    ("application/vp+jwt", Form::Jws),
    ("application/vc+ld+json+jwt", Form::Jws),
    ("application/vp+ld+json+jwt", Form::Jws),
    ("application/jwt", Form::Jws),
    ("application/jose", Form::Jws),
    ("image/png", Form::Png),
    ("image/svg+xml", Form::Svg),
];

/// The endings of file names of each form.
const ENDINGS: &[(&str, Form)] = &[
    ("json", Form::Json),
    ("jsonld", Form::Json),
    ("jws", Form::Jws),
    ("jwt", Form::Jws),
    ("png", Form::Png),
    ("svg", Form::Svg),
];

impl Form {
    /// The form that a media type means; `None` for one that means none, as `text/plain`: look at
    /// the content.
    #[must_use]
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        let named = |(name, _): &&(&str, Self)| name.eq_ignore_ascii_case(essence);
        MEDIA_TYPES.iter().find(named).map(|(_, form)| *form)
    }

    /// The form that the ending of a file's name means, `None` for any other: look at the content.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        let named = |(known, _): &&(&str, Self)| known.eq_ignore_ascii_case(ending);
        ENDINGS.iter().find(named).map(|(_, form)| *form)
    }

    /// The form that a content begins like. White space and a byte order mark before it are
    /// skipped.
    #[must_use]
    pub fn sniff(content: &[u8]) -> Option<Self> {
        if content.starts_with(SIGNATURE) {
            return Some(Self::Png);
        }
        let content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
        match content.trim_ascii_start() {
            [b'{', ..] => Some(Self::Json),
            [b'<', ..] => Some(Self::Svg),
            // Base64url of `{"`, how nearly every header of a JWS begins, or of `{` and a line end.
            [b'e', b'y' | b'w', ..] => Some(Self::Jws),
            _ => None,
        }
    }
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Json => "JSON",
            Self::Jws => "a compact JWS",
            Self::Png => "a PNG image",
            Self::Svg => "an SVG image",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_and_file_names_mean_forms() {
        for (text, form) in [
            ("application/json", Some(Form::Json)),
            ("Application/VC+LD+JSON; charset=utf-8", Some(Form::Json)),
            ("application/vc+jwt", Some(Form::Jws)),
            ("image/png", Some(Form::Png)),
            ("image/svg+xml;charset=utf-8", Some(Form::Svg)),
            ("text/plain", None),
            ("", None),
        ] {
            assert_eq!(Form::of_media_type(text), form, "{text}");
        }
        for (name, form) in [
            ("a/badge.JSON", Some(Form::Json)),
            ("badge.v2.svg", Some(Form::Svg)),
            ("badge.jwt", Some(Form::Jws)),
            ("badge.txt", None),
            ("png", None),
        ] {
            assert_eq!(Form::of_file_name(name), form, "{name}");
        }
    }

    #[test]
    fn contents_are_told_apart_by_their_beginning() {
        for (content, form) in [
            (&b" \n{}"[..], Some(Form::Json)),
            (b"\xEF\xBB\xBF<svg/>", Some(Form::Svg)),
            (b"eyJhbGciOiJFZERTQSJ9.e30.AA", Some(Form::Jws)),
            (b"\x89PNG\r\n\x1a\n", Some(Form::Png)),
            (b"\x89PNG", None),
            (b"[{}]", None),
            (b"", None),
        ] {
            assert_eq!(Form::sniff(content), form, "{content:?}");
        }
    }
}
