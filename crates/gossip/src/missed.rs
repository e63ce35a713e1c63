//! The request-response protocol for what was missed: messages and their codec.
//!
//! The layout is in [`crate::wire`]. Every length is checked before anything is allocated
//! for it.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use libp2p::StreamProtocol;
use libp2p::futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::request_response;

use crate::wire::{
    BatchError, ID_BYTES, Id, Kind, PENDING_IDS_MAX, REQUEST_IDS_MAX, RESPONSE_BYTES_MAX, unpack,
};

const IDS: u8 = 1;
const RECORDS: u8 = 2;
const COSIGNATURES: u8 = 3;

/// What a node asks a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The ids of the records that wait for a block.
    PendingIds,
    /// Those of these records that still wait.
    PendingRecords(Vec<[u8; 32]>),
    /// The newest cosignatures.
    Cosignatures,
}

/// What a peer answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// To [`Request::PendingIds`].
    PendingIds(Vec<[u8; 32]>),
    /// To [`Request::PendingRecords`].
    PendingRecords {
        /// For how many of the ids, from the first on.
        served: u16,
        /// A batch of those that still wait.
        batch: Bytes,
    },
    /// To [`Request::Cosignatures`]: a batch.
    Cosignatures(Bytes),
}

impl Request {
    /// The request's bytes.
    ///
    /// # Errors
    /// `InvalidInput` for no ids or more than [`REQUEST_IDS_MAX`].
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::PendingIds => Ok(vec![IDS]),
            Self::Cosignatures => Ok(vec![COSIGNATURES]),
            Self::PendingRecords(ids) if ids.is_empty() => Err(oversized("no ids")),
            Self::PendingRecords(ids) => with_ids(RECORDS, ids, REQUEST_IDS_MAX),
        }
    }

    /// Reads a request.
    ///
    /// # Errors
    /// `InvalidData` for an unknown tag or too many ids; the stream's errors.
    pub async fn read<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Self> {
        match read_u8(io).await? {
            IDS => Ok(Self::PendingIds),
            RECORDS => {
                let ids = read_ids(io, REQUEST_IDS_MAX).await?;
                if ids.is_empty() {
                    return Err(malformed("a request for no records"));
                }
                Ok(Self::PendingRecords(ids))
            }
            COSIGNATURES => Ok(Self::Cosignatures),
            _ => Err(malformed("a request with an unknown tag")),
        }
    }
}

impl Response {
    /// The response's bytes.
    ///
    /// # Errors
    /// `InvalidInput` for more ids or bytes than allowed.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::PendingIds(ids) => with_ids(IDS, ids, PENDING_IDS_MAX),
            Self::PendingRecords { served, batch } => {
                let mut bytes = vec![RECORDS];
                bytes.extend_from_slice(&served.to_be_bytes());
                with_batch(bytes, batch)
            }
            Self::Cosignatures(batch) => with_batch(vec![COSIGNATURES], batch),
        }
    }

    /// Reads a response.
    ///
    /// # Errors
    /// `InvalidData` for an unknown tag or a length over its limit; the stream's errors.
    pub async fn read<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Self> {
        match read_u8(io).await? {
            IDS => Ok(Self::PendingIds(read_ids(io, PENDING_IDS_MAX).await?)),
            RECORDS => {
                let served = read_u16(io).await?;
                Ok(Self::PendingRecords {
                    served,
                    batch: read_batch(io).await?,
                })
            }
            COSIGNATURES => Ok(Self::Cosignatures(read_batch(io).await?)),
            _ => Err(malformed("a response with an unknown tag")),
        }
    }
}

/// The payloads of a response's batch.
pub(crate) fn payloads(batch: Bytes, kind: Kind) -> Result<Vec<Bytes>, BatchError> {
    unpack(batch, kind, RESPONSE_BYTES_MAX)
}

fn with_ids(tag: u8, ids: &[Id], max: usize) -> io::Result<Vec<u8>> {
    let count = u16::try_from(ids.len()).map_err(|_| oversized("too many ids"))?;
    if ids.len() > max {
        return Err(oversized("too many ids"));
    }
    let mut bytes = Vec::with_capacity(3 + ids.len() * ID_BYTES);
    bytes.push(tag);
    bytes.extend_from_slice(&count.to_be_bytes());
    bytes.extend(ids.iter().flatten());
    Ok(bytes)
}

fn with_batch(mut bytes: Vec<u8>, batch: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(batch.len()).map_err(|_| oversized("too long a batch"))?;
    if batch.len() > RESPONSE_BYTES_MAX {
        return Err(oversized("too long a batch"));
    }
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(batch);
    Ok(bytes)
}

async fn read_u8<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<u8> {
    let mut byte = [0; 1];
    io.read_exact(&mut byte).await?;
    Ok(byte[0])
}

async fn read_u16<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<u16> {
    let mut bytes = [0; 2];
    io.read_exact(&mut bytes).await?;
    Ok(u16::from_be_bytes(bytes))
}

async fn read_ids<T: AsyncRead + Unpin + Send>(io: &mut T, max: usize) -> io::Result<Vec<Id>> {
    let count = usize::from(read_u16(io).await?);
    if count > max {
        return Err(malformed("too many ids"));
    }
    let mut bytes = vec![0; count * ID_BYTES];
    io.read_exact(&mut bytes).await?;
    let (ids, _) = bytes.as_chunks::<ID_BYTES>();
    Ok(ids.to_vec())
}

async fn read_batch<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Bytes> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > RESPONSE_BYTES_MAX {
        return Err(malformed("too long a batch"));
    }
    let mut batch = vec![0; length];
    io.read_exact(&mut batch).await?;
    Ok(batch.into())
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn oversized(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// The codec, without a state.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Codec;

#[async_trait]
impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        Request::read(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        Response::read(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Request,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&request.to_bytes()?).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Response,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&response.to_bytes()?).await
    }
}
