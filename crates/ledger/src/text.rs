//! Bytes of fixed length in the JSON form of records; canonical bytes hold them as they are.

/// Signatures: padded base64.
pub(crate) mod signature_text {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};
    use serde_big_array::BigArray;

    pub(crate) fn serialize<S: Serializer>(
        bytes: &[u8; 64],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(bytes))
        } else {
            BigArray::serialize(bytes, serializer)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(de: D) -> Result<[u8; 64], D::Error> {
        if de.is_human_readable() {
            let text = String::deserialize(de)?;
            let bytes = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
            bytes
                .try_into()
                .map_err(|_| serde::de::Error::custom("64 bytes are needed"))
        } else {
            BigArray::deserialize(de)
        }
    }
}

/// Nonces: lower-case hexadecimal.
pub(crate) mod nonce_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        bytes: &[u8; 16],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&hex::encode(bytes))
        } else {
            bytes.serialize(serializer)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(de: D) -> Result<[u8; 16], D::Error> {
        if de.is_human_readable() {
            let mut bytes = [0; 16];
            let text = String::deserialize(de)?;
            hex::decode_to_slice(text, &mut bytes).map_err(serde::de::Error::custom)?;
            Ok(bytes)
        } else {
            <[u8; 16]>::deserialize(de)
        }
    }
}
