// Writes what rdf-canonize makes of datasets whose blank nodes look alike:
//   node canonical.mjs > ../../../crates/credential/tests/fixtures/vectors/w3c-rdf-canon/rdf-canonize.json

import * as rdfCanonize from 'rdf-canonize';

let seed = 2022;
const below = limit => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return (seed >>> 8) % limit;
};

/** Copies of one random tree, in the default graph or each in a graph of its own. */
function twins(copies, inGraphs) {
  const shape = [];
  const nodes = 1 + below(4);
  for(let node = 0; node < nodes; node++) {
    const count = 1 + below(4);
    for(let at = 0; at < count; at++) {
      shape.push([node, `<urn:p${below(3)}>`, `"${below(3)}"`]);
    }
    if(node > 0) {
      shape.push([below(node), `<urn:part${below(2)}>`, node]);
    }
  }
  const statements = [];
  for(let copy = 0; copy < copies; copy++) {
    const name = node => `_:c${copy}n${node}`;
    const graph = inGraphs ? ` _:c${copy}g` : '';
    for(const [subject, predicate, object] of shape) {
      const value = typeof object === 'number' ? name(object) : object;
      statements.push(`${name(subject)} ${predicate} ${value}${graph} .\n`);
    }
    statements.push(inGraphs ? `_:all <urn:has> _:c${copy}g .\n` :
      `_:all <urn:has> ${name(0)} .\n`);
  }
  return [...new Set(statements)].sort(() => below(3) - 1).join('');
}

const cases = [];
for(let at = 0; at < 60; at++) {
  const input = twins(2 + at % 3, at % 2 === 0);
  const canonical = await rdfCanonize.canonize(input, {
    algorithm: 'RDFC-1.0', inputFormat: 'application/n-quads', format: 'application/n-quads',
    maxWorkFactor: 3,
  });
  cases.push({id: `twins ${at}`, input, canonical});
}
console.log(JSON.stringify(cases, null, 1));
