//! The tiles above the leaves' hashes, computed and compared as the log goes by.

use credlog_tlog::{Hash, TILE_WIDTH, TileLevel, TilePath};

use crate::error::AuditError;
use crate::files;
use crate::finding::{Finding, Kind};
use crate::piece::{hashes, path_error, root_of};
use crate::source::Source;

/// A hash as it follows from the log, and as it follows from tiles below that are wrong: so a
/// wrong tile is named once, and not again at each level above.
#[derive(Debug, Clone, Copy)]
struct Node {
    computed: Hash,
    published: Option<Hash>,
}

/// The levels from 1 on, each with the part of its last tile that is not full yet.
#[derive(Debug, Default)]
pub(crate) struct Upper {
    levels: Vec<Level>,
    /// Tiles compared.
    pub(crate) tiles: u64,
}

#[derive(Debug, Default)]
struct Level {
    tile: u64,
    nodes: Vec<Node>,
}

/// What came of comparing tiles.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    pub(crate) findings: Vec<Finding>,
    pub(crate) gaps: Vec<AuditError>,
}

impl Upper {
    /// Takes the root of the next full bundle of leaves.
    pub(crate) fn push(
        &mut self,
        source: &dyn Source,
        (computed, published): (Hash, Option<Hash>),
    ) -> Compared {
        let mut out = Compared::default();
        let mut node = Node {
            computed,
            published,
        };
        for at in 0_u8.. {
            let number = usize::from(at);
            if self.levels.len() == number {
                self.levels.push(Level::default());
            }
            let Some(level) = self.levels.get_mut(number) else {
                break;
            };
            level.nodes.push(node);
            if level.nodes.len() < usize::from(TILE_WIDTH) {
                break;
            }
            let nodes = std::mem::take(&mut level.nodes);
            let tile = level.tile;
            level.tile += 1;
            node = self.compare(source, at + 1, tile, &nodes, &mut out);
        }
        out
    }

    /// Compares the tiles that are not full at the end of the log.
    pub(crate) fn finish(&mut self, source: &dyn Source) -> Compared {
        let mut out = Compared::default();
        let levels = std::mem::take(&mut self.levels);
        for (level, last) in (1_u8..).zip(&levels) {
            if !last.nodes.is_empty() {
                self.compare(source, level, last.tile, &last.nodes, &mut out);
            }
        }
        out
    }

    /// Compares one tile; answers the node above it.
    fn compare(
        &mut self,
        source: &dyn Source,
        level: u8,
        tile: u64,
        nodes: &[Node],
        out: &mut Compared,
    ) -> Node {
        let computed: Vec<Hash> = nodes.iter().map(|node| node.computed).collect();
        let above = |published: Option<&[Hash]>| Node {
            computed: root_of(&computed),
            published: published.map(root_of),
        };
        let width = u16::try_from(nodes.len()).unwrap_or(TILE_WIDTH);
        let read = TilePath::new(TileLevel::Hash(level), tile, width)
            .map_err(|error| path_error(&error))
            .and_then(|path| Ok((path, files::tile(source, path)?)));
        let (path, found) = match read {
            Ok(read) => read,
            Err(gap) => {
                out.gaps.push(gap);
                return above(None);
            }
        };
        self.tiles += 1;
        let published = match hashes(&found.bytes, path, found.width) {
            Ok(published) => published,
            Err(reason) => {
                let text = format!("the tile of hashes is not as long as the log: {reason}");
                out.findings
                    .push(Finding::new(Kind::File, text).file(found.path));
                return above(None);
            }
        };
        let wrong: Vec<usize> = (published.iter().zip(nodes).enumerate())
            .filter(|(_, (hash, node))| **hash != node.computed && Some(**hash) != node.published)
            .map(|(at, _)| at)
            .collect();
        if let Some(&at) = wrong.first() {
            out.findings.push(wrong_tile(
                level,
                tile,
                at,
                wrong.len(),
                (&published[at], &nodes[at].computed),
                found.path,
            ));
        }
        above((published != computed).then_some(&published))
    }
}

/// A finding about the hash at a place of a tile.
fn wrong_tile(
    level: u8,
    tile: u64,
    at: usize,
    wrong: usize,
    (found, expected): (&Hash, &Hash),
    path: String,
) -> Finding {
    let leaves = 1_u128 << (8 * u32::from(level));
    let first = (u128::from(tile) * u128::from(TILE_WIDTH) + at as u128) * leaves;
    let last = first + leaves - 1;
    let more = match wrong {
        1 => String::new(),
        _ => format!(" ({} more hashes of the tile are wrong)", wrong - 1),
    };
    let text = format!("hash {at} of the tile is not that of the leaves {first} to {last}{more}");
    Finding::new(Kind::Tile, text)
        .file(path)
        .shows("expected", expected)
        .shows("found", found)
}
