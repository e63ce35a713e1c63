//! Canonical N-Quads: [RDFC-1.0](https://www.w3.org/TR/rdf-canon/) with SHA-256.
//!
//! Own code, as no library does: `oxrdf` and `sophia_c14n` give other canonical forms than the
//! libraries that sign badges where proofs are nested, and `rdf-canon` tries the same order of a
//! list again and again (a node with twelve statements in a graph of its own: 479 million times).
//!
//! Names are those of the recommendation: "Hash First Degree Quads" (HFDQ) hashes the statements
//! about a blank node without the names of blank nodes; "Hash N-Degree Quads" (HNDQ) goes on to
//! the neighbours of those that look alike.

mod issuer;
mod permutations;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;

use oxrdf::{BlankNode, GraphName, NamedOrBlankNode, Quad, Term};
use sha2::{Digest, Sha256};

use self::issuer::Issuer;
use super::RdfError;
use super::budget::Budget;

/// Which blank node, by the order in which they come.
type Blank = usize;

/// Bytes of a hash's text that are a step.
const STEP_BYTES: usize = 256;
/// Neighbours of neighbours that are looked at; JSON nests less deeply, but its lists are chains.
const DEPTH_MAX: usize = 256;

/// The canonical N-Quads, sorted, one statement a line.
pub(super) fn canonicalize(quads: &[Quad], budget: &mut Budget) -> Result<String, RdfError> {
    let dataset = Dataset::new(quads);
    let labels = dataset.labels(budget)?;
    let mut lines: Vec<String> = dataset
        .statements
        .iter()
        .map(|one| one.line(|blank| format!("c14n{}", labels[blank])))
        .collect();
    lines.sort_unstable();
    Ok(lines.concat())
}

/// A statement with its blank nodes by number.
#[derive(Debug)]
struct Statement {
    subject: Part,
    /// With its angle brackets.
    predicate: String,
    object: Part,
    /// None in the default graph.
    graph: Option<Part>,
}

#[derive(Debug)]
enum Part {
    Blank(Blank),
    /// In N-Quads.
    Written(String),
}

impl Part {
    fn blank(&self) -> Option<Blank> {
        match self {
            Self::Blank(blank) => Some(*blank),
            Self::Written(_) => None,
        }
    }

    fn write<N: AsRef<str>>(&self, line: &mut String, name: impl Fn(Blank) -> N) {
        match self {
            Self::Blank(blank) => {
                line.push_str("_:");
                line.push_str(name(*blank).as_ref());
            }
            Self::Written(text) => line.push_str(text),
        }
        line.push(' ');
    }
}

impl Statement {
    /// What may be a blank node, with the letter of its place.
    fn parts(&self) -> impl Iterator<Item = (&Part, char)> {
        let graph = self.graph.iter().map(|graph| (graph, 'g'));
        [(&self.subject, 's'), (&self.object, 'o')]
            .into_iter()
            .chain(graph)
    }

    /// Its line in N-Quads, with these names of blank nodes.
    fn line<N: AsRef<str>>(&self, name: impl Fn(Blank) -> N) -> String {
        let mut line = String::with_capacity(256);
        self.subject.write(&mut line, &name);
        line.push_str(&self.predicate);
        line.push(' ');
        self.object.write(&mut line, &name);
        if let Some(graph) = &self.graph {
            graph.write(&mut line, &name);
        }
        line.push_str(".\n");
        line
    }
}

/// Statements, each once, and what is known of their blank nodes.
struct Dataset {
    statements: Vec<Statement>,
    /// Per blank node: the statements that name it.
    mentions: Vec<Vec<usize>>,
    /// Per blank node: what HFDQ makes of it.
    hashes: Vec<String>,
}

impl Dataset {
    fn new(quads: &[Quad]) -> Self {
        let mut numbers = HashMap::new();
        let mut seen = HashSet::new();
        let mut dataset = Self {
            statements: Vec::with_capacity(quads.len()),
            mentions: Vec::new(),
            hashes: Vec::new(),
        };
        for quad in quads {
            if !seen.insert(quad) {
                continue;
            }
            let statement = read(quad, &mut numbers);
            let mut blanks: Vec<_> = statement
                .parts()
                .filter_map(|(part, _)| part.blank())
                .collect();
            blanks.sort_unstable();
            blanks.dedup();
            dataset.mentions.resize_with(numbers.len(), Vec::new);
            for blank in blanks {
                dataset.mentions[blank].push(dataset.statements.len());
            }
            dataset.statements.push(statement);
        }
        dataset.hashes = (0..numbers.len())
            .map(|blank| dataset.first_degree(blank))
            .collect();
        dataset
    }

    fn about(&self, blank: Blank) -> impl Iterator<Item = &Statement> {
        self.mentions[blank].iter().map(|at| &self.statements[*at])
    }

    /// HFDQ, section 4.6.
    fn first_degree(&self, blank: Blank) -> String {
        let name = |one| if one == blank { "a" } else { "z" };
        let mut lines: Vec<String> = self.about(blank).map(|one| one.line(name)).collect();
        lines.sort_unstable();
        hash(lines.concat())
    }

    /// The number of each blank node: section 4.4.3.
    fn labels(&self, budget: &mut Budget) -> Result<Vec<usize>, RdfError> {
        let mut by_hash: BTreeMap<&str, Vec<Blank>> = BTreeMap::new();
        for (blank, hash) in self.hashes.iter().enumerate() {
            by_hash.entry(hash).or_default().push(blank);
        }
        let mut canonical = Issuer::default();
        for blanks in by_hash.values() {
            if let [blank] = blanks[..] {
                canonical.issue(blank);
            }
        }
        // Most documents have no blank nodes that look alike, and need none of the budget for them.
        by_hash.retain(|_, blanks| blanks.len() > 1);
        if !by_hash.is_empty() {
            let mut walk = Walk {
                dataset: self,
                canonical,
                budget,
                depth: 0,
            };
            for blanks in by_hash.values() {
                walk.tell_apart(blanks)?;
            }
            canonical = walk.canonical;
        }
        let mut labels = vec![0; self.hashes.len()];
        for (number, blank) in canonical.order().iter().enumerate() {
            labels[*blank] = number;
        }
        Ok(labels)
    }
}

/// Goes from blank nodes that look alike to their neighbours, until something tells them apart.
struct Walk<'a> {
    dataset: &'a Dataset,
    canonical: Issuer,
    budget: &'a mut Budget,
    depth: usize,
}

/// What HNDQ makes of a blank node: a hash, and the numbers that were given on the way.
struct Path {
    hash: String,
    issuer: Issuer,
}

impl Walk<'_> {
    /// Gives numbers to blank nodes with one hash of HFDQ, and to those on the way: section 4.4.3,
    /// step 5.
    fn tell_apart(&mut self, blanks: &[Blank]) -> Result<(), RdfError> {
        let mut paths = Vec::new();
        for blank in blanks {
            if self.canonical.number(*blank).is_none() {
                let mut issuer = Issuer::default();
                issuer.issue(*blank);
                paths.push(self.n_degree(*blank, issuer)?);
            }
        }
        paths.sort_by(|a, b| a.hash.cmp(&b.hash));
        for path in paths {
            for blank in path.issuer.order() {
                self.canonical.issue(*blank);
            }
        }
        Ok(())
    }

    /// HNDQ, section 4.8.
    fn n_degree(&mut self, blank: Blank, mut issuer: Issuer) -> Result<Path, RdfError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(look_alike());
        }
        let mut text = String::new();
        for (hash, mut related) in self.related(blank, &issuer)? {
            text.push_str(&hash);
            let mut chosen: Option<(String, Issuer)> = None;
            related.sort_unstable();
            loop {
                let best = chosen.as_ref().map(|(path, _)| path.as_str());
                if let Some(better) = self.path(&related, &issuer, best)? {
                    chosen = Some(better);
                }
                if !permutations::advance(&mut related) {
                    break;
                }
            }
            if let Some((path, chosen)) = chosen {
                text.push_str(&path);
                issuer = chosen;
            }
        }
        self.depth -= 1;
        let hash = hash(text);
        Ok(Path { hash, issuer })
    }

    /// The neighbours by their hashes, each as often as a statement names it: step 3.
    fn related(
        &mut self,
        blank: Blank,
        issuer: &Issuer,
    ) -> Result<BTreeMap<String, Vec<Blank>>, RdfError> {
        let mut related: BTreeMap<String, Vec<Blank>> = BTreeMap::new();
        for statement in self.dataset.about(blank) {
            for (part, position) in statement.parts() {
                let Some(other) = part.blank().filter(|other| *other != blank) else {
                    continue;
                };
                self.spend(1 + statement.predicate.len() / STEP_BYTES)?;
                let hash = self.related_hash(other, statement, issuer, position);
                related.entry(hash).or_default().push(other);
            }
        }
        Ok(related)
    }

    fn spend(&mut self, steps: usize) -> Result<(), RdfError> {
        match self.budget.step(steps) {
            true => Ok(()),
            false => Err(look_alike()),
        }
    }

    /// "Hash Related Blank Node", section 4.7.
    fn related_hash(
        &self,
        other: Blank,
        statement: &Statement,
        issuer: &Issuer,
        position: char,
    ) -> String {
        let mut text = String::from(position);
        if position != 'g' {
            text.push_str(&statement.predicate);
        }
        match (self.canonical.number(other), issuer.number(other)) {
            (Some(number), _) => name(&mut text, "c14n", number),
            (None, Some(number)) => name(&mut text, "b", number),
            (None, None) => text.push_str(&self.dataset.hashes[other]),
        }
        hash(text)
    }

    /// Steps 5.4.1 to 5.4.6 for one order of the neighbours: its path, with the numbers given on
    /// it, if it is better than the best so far.
    fn path(
        &mut self,
        order: &[Blank],
        issuer: &Issuer,
        best: Option<&str>,
    ) -> Result<Option<(String, Issuer)>, RdfError> {
        // A text that begins with a greater one is not better, however it goes on.
        let worse = |path: &str| best.is_some_and(|best| path.len() >= best.len() && path > best);
        self.spend(1 + order.len() + issuer.order().len())?;
        let mut issuer = issuer.clone();
        let mut path = String::new();
        let mut deeper = Vec::new();
        for blank in order {
            match self.canonical.number(*blank) {
                Some(number) => name(&mut path, "c14n", number),
                None => {
                    if issuer.number(*blank).is_none() {
                        deeper.push(*blank);
                    }
                    name(&mut path, "b", issuer.issue(*blank));
                }
            }
            if worse(&path) {
                return Ok(None);
            }
        }
        for blank in deeper {
            let further = self.n_degree(blank, issuer.clone())?;
            name(&mut path, "b", issuer.issue(blank));
            path.push('<');
            path.push_str(&further.hash);
            path.push('>');
            issuer = further.issuer;
            if worse(&path) {
                return Ok(None);
            }
        }
        let better = best.is_none_or(|best| path.as_str() < best);
        Ok(better.then_some((path, issuer)))
    }
}

fn look_alike() -> RdfError {
    RdfError::TooComplex {
        reason: "too many parts of it look alike without their contents".into(),
    }
}

fn name(text: &mut String, prefix: &str, number: usize) {
    // A `String` takes every write.
    let _ = write!(text, "_:{prefix}{number}");
}

fn hash(text: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(text))
}

fn read<'a>(quad: &'a Quad, numbers: &mut HashMap<&'a BlankNode, Blank>) -> Statement {
    let mut blank = |node: &'a BlankNode| {
        let next = numbers.len();
        Part::Blank(*numbers.entry(node).or_insert(next))
    };
    Statement {
        subject: match &quad.subject {
            NamedOrBlankNode::NamedNode(node) => Part::Written(node.to_string()),
            NamedOrBlankNode::BlankNode(node) => blank(node),
        },
        predicate: quad.predicate.to_string(),
        object: match &quad.object {
            Term::NamedNode(node) => Part::Written(node.to_string()),
            Term::Literal(literal) => Part::Written(literal.to_string()),
            Term::BlankNode(node) => blank(node),
        },
        graph: match &quad.graph_name {
            GraphName::DefaultGraph => None,
            GraphName::NamedNode(node) => Some(Part::Written(node.to_string())),
            GraphName::BlankNode(node) => Some(blank(node)),
        },
    }
}

#[cfg(test)]
mod tests;
