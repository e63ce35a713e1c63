//! The `openbadges:credential` element of a baked SVG (Open Badges v3.0 section 5.3.2).
//!
//! No entity is ever expanded: a document type that declares any is refused, and inside of the
//! credential only XML's own five and characters by number are read.

use std::ops::Range;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::{BakeError, Payload};

/// The namespace of the element.
const NAMESPACE: &str = "https://purl.imsglobal.org/ob/v3p0";
/// Some issuers write the address of the specification instead.
const NAMESPACE_ALIAS: &str = "https://purl.imsglobal.org/spec/ob/v3p0";

const BYTE_ORDER_MARK: &str = "\u{FEFF}";

/// Pieces of one image at most: tags, texts, comments. A drawing of 8 MiB has fewer.
const PIECES_MAX: usize = 500_000;
/// Elements named `credential` or `assertion` at most: for each, its namespace is looked up.
const CANDIDATES_MAX: usize = 100;
/// Attributes of the svg element at most.
const ROOT_ATTRIBUTES_MAX: usize = 256;
/// Attributes of a credential element at most.
const ATTRIBUTES_MAX: usize = 32;

pub(super) fn unbake(image: &[u8]) -> Result<String, BakeError> {
    let scan = Scan::of(text(image)?)?;
    match scan.credential {
        Some(credential) => Ok(credential.payload),
        None if scan.has_open_badges_2 => Err(BakeError::OpenBadges2),
        None => Err(BakeError::NoCredential),
    }
}

pub(super) fn bake(image: &[u8], payload: Payload<'_>) -> Result<Vec<u8>, BakeError> {
    let text = text(image)?;
    let Scan {
        start_tag_end,
        prefix,
        credential,
        ..
    } = Scan::of(text)?;
    // The start tag's own `>` stays behind a declaration that is added to it.
    let (declaration, on_element) = match prefix {
        Prefix::Ours => (String::new(), String::new()),
        Prefix::Free => (declaration(), String::new()),
        Prefix::Taken => (String::new(), declaration()),
    };
    let element = match payload {
        Payload::Jws(jws) => {
            format!("<openbadges:credential{on_element} verify=\"{jws}\"></openbadges:credential>")
        }
        Payload::Json(json) => format!(
            "<openbadges:credential{on_element}><![CDATA[{}]]></openbadges:credential>",
            json.replace("]]>", "]]]]><![CDATA[>")
        ),
    };
    let old = credential.map_or(start_tag_end..start_tag_end, |credential| credential.span);
    let baked = [
        &text[..start_tag_end - 1],
        &declaration,
        ">",
        &element,
        &text[start_tag_end..old.start],
        &text[old.end..],
    ];
    Ok(baked.concat().into_bytes())
}

fn declaration() -> String {
    format!(" xmlns:openbadges=\"{NAMESPACE}\"")
}

fn text(image: &[u8]) -> Result<&str, BakeError> {
    std::str::from_utf8(image).map_err(|_| unreadable("it is not UTF-8"))
}

/// What the start tag says about the prefix `openbadges`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefix {
    /// It is declared as Open Badges 3.0 wants it.
    Ours,
    /// It is not declared.
    Free,
    /// It is declared as something else.
    Taken,
}

/// A credential element.
#[derive(Debug)]
struct Baked {
    payload: String,
    /// From its `<` to behind its last `>`.
    span: Range<usize>,
}

/// What baking needs to know of an SVG.
#[derive(Debug)]
struct Scan {
    /// Behind the `>` of the `svg` start tag.
    start_tag_end: usize,
    prefix: Prefix,
    credential: Option<Baked>,
    has_open_badges_2: bool,
}

impl Scan {
    fn of(text: &str) -> Result<Self, BakeError> {
        Reader::new(text).read()
    }
}

/// Walks through an SVG once.
struct Reader<'a> {
    xml: NsReader<&'a [u8]>,
    text: &'a str,
    /// Bytes before what `xml` reads.
    offset: usize,
    /// Elements that are open.
    depth: usize,
    candidates: usize,
    pieces: usize,
    found: Option<Scan>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let content = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        Self {
            xml: NsReader::from_str(content),
            text,
            offset: text.len() - content.len(),
            depth: 0,
            candidates: 0,
            pieces: 0,
            found: None,
        }
    }

    fn read(mut self) -> Result<Scan, BakeError> {
        loop {
            let from = self.position()?;
            match self.event()? {
                Event::Start(start) => self.open(&start, from, false)?,
                Event::Empty(start) => self.open(&start, from, true)?,
                Event::End(_) => self.depth = self.depth.saturating_sub(1),
                Event::DocType(declared) if declared.contains("<!ENTITY") => {
                    return Err(unreadable("it declares entities, which are not expanded"));
                }
                Event::Text(text) if self.depth == 0 && !text.trim().is_empty() => {
                    return Err(unreadable("text stands outside of its svg element"));
                }
                Event::CData(_) | Event::GeneralRef(_) if self.depth == 0 => {
                    return Err(unreadable("text stands outside of its svg element"));
                }
                Event::Eof if self.depth > 0 => {
                    return Err(unreadable("it ends in the middle"));
                }
                Event::Eof => return self.found.ok_or(unreadable("it is empty")),
                _ => {}
            }
        }
    }

    /// An element that begins at `from`.
    fn open(
        &mut self,
        start: &BytesStart<'_>,
        from: usize,
        is_empty: bool,
    ) -> Result<(), BakeError> {
        if self.depth == 0 {
            return self.open_root(start, is_empty);
        }
        let is_credential = match start.local_name().as_ref() {
            "credential" => self
                .namespace(start)?
                .is_some_and(|ns| [NAMESPACE, NAMESPACE_ALIAS].contains(&ns.trim_end_matches('/'))),
            "assertion" => {
                let is_badge = self
                    .namespace(start)?
                    .is_some_and(|ns| ns.contains("openbadges"));
                if let Some(found) = &mut self.found {
                    found.has_open_badges_2 |= is_badge;
                }
                false
            }
            _ => false,
        };
        if !is_credential {
            self.depth += usize::from(!is_empty);
            return Ok(());
        }
        let signed = verify_attribute(start)?;
        let body = if is_empty {
            String::new()
        } else {
            self.body()?
        };
        let payload = match (signed.trim(), body.trim()) {
            ("", body) => body.to_owned(),
            (signed, "") => signed.to_owned(),
            _ => {
                let reason = "its credential has both a verify attribute and a text";
                return Err(unreadable(reason));
            }
        };
        let span = from..self.position()?;
        match &mut self.found {
            Some(scan) if scan.credential.is_none() => {
                scan.credential = Some(Baked { payload, span });
                Ok(())
            }
            _ => Err(BakeError::SeveralCredentials),
        }
    }

    fn open_root(&mut self, start: &BytesStart<'_>, is_empty: bool) -> Result<(), BakeError> {
        if self.found.is_some() {
            return Err(unreadable("something stands behind its svg element"));
        }
        if start.local_name().as_ref() != "svg" {
            return Err(BakeError::NotAnImage);
        }
        if is_empty {
            return Err(unreadable("its svg element is empty"));
        }
        let mut prefix = Prefix::Free;
        // All are read, so that one that is there twice is found.
        for (number, attribute) in start.attributes().enumerate() {
            if number == ROOT_ATTRIBUTES_MAX {
                return Err(unreadable("its svg element has too many attributes"));
            }
            let attribute = attribute.map_err(|error| self.broken(&error.into()))?;
            if attribute.key.as_ref() == "xmlns:openbadges" {
                prefix = match attribute.value == NAMESPACE {
                    true => Prefix::Ours,
                    false => Prefix::Taken,
                };
            }
        }
        self.depth = 1;
        self.found = Some(Scan {
            start_tag_end: self.position()?,
            prefix,
            credential: None,
            has_open_badges_2: false,
        });
        Ok(())
    }

    /// The text up to the end of the element that was just opened.
    fn body(&mut self) -> Result<String, BakeError> {
        let mut body = String::new();
        loop {
            match self.event()? {
                Event::Text(text) => body.push_str(&text),
                Event::CData(text) => body.push_str(&text),
                Event::GeneralRef(reference) => body.push(character(&reference)?),
                Event::Comment(_) => {}
                Event::End(_) => return Ok(body),
                _ => return Err(unreadable("its credential holds more than text")),
            }
        }
    }

    fn namespace(&mut self, start: &BytesStart<'_>) -> Result<Option<String>, BakeError> {
        self.candidates += 1;
        if self.candidates > CANDIDATES_MAX {
            return Err(BakeError::SeveralCredentials);
        }
        match self.xml.resolver().resolve_element(start.name()).0 {
            ResolveResult::Bound(namespace) => Ok(Some(namespace.as_ref().to_owned())),
            ResolveResult::Unbound => Ok(None),
            ResolveResult::Unknown(prefix) => Err(unreadable(&format!(
                "the prefix {prefix:?} is not declared; xmlns:openbadges must be \"{NAMESPACE}\""
            ))),
        }
    }

    fn event(&mut self) -> Result<Event<'a>, BakeError> {
        self.pieces += 1;
        if self.pieces > PIECES_MAX {
            return Err(unreadable("it has more than 500,000 pieces"));
        }
        self.xml.read_event().map_err(|error| self.broken(&error))
    }

    fn position(&self) -> Result<usize, BakeError> {
        let position = usize::try_from(self.xml.buffer_position()).ok();
        let position = position.map(|position| position + self.offset);
        position
            .filter(|position| self.text.is_char_boundary(*position))
            .ok_or(unreadable("it cannot be cut at its elements"))
    }

    fn broken(&self, error: &quick_xml::Error) -> BakeError {
        let at = self.xml.error_position();
        unreadable(&format!("{error} (byte {at})"))
    }
}

/// The compact JWS in `verify`, or nothing.
fn verify_attribute(start: &BytesStart<'_>) -> Result<String, BakeError> {
    let wrong = |error: quick_xml::Error| unreadable(&format!("its credential: {error}"));
    let mut signed = String::new();
    // Each attribute is compared with those before it, to find one that is there twice.
    for (number, attribute) in start.attributes().enumerate() {
        if number == ATTRIBUTES_MAX {
            return Err(unreadable("its credential has too many attributes"));
        }
        let attribute = attribute.map_err(|error| wrong(error.into()))?;
        if attribute.key.as_ref() == "verify" {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            signed = value.map_err(wrong)?.into_owned();
        }
    }
    Ok(signed)
}

/// What `&lt;` or `&#65;` stands for.
fn character(reference: &BytesRef<'_>) -> Result<char, BakeError> {
    let named = match reference.as_ref() {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => reference.resolve_char_ref().ok().flatten(),
    };
    named.ok_or_else(|| {
        unreadable("its credential holds a reference to an entity, which is not expanded")
    })
}

fn unreadable(reason: &str) -> BakeError {
    BakeError::Svg {
        reason: reason.to_owned(),
    }
}
